// Zero-shot findings whose sentences a reader edits: asked again, the list is put in its new order.
import { json, say } from "./page.js";

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

export function findings() {
  const panel = document.querySelector("[data-findings]");
  if (!panel) return;
  const list = panel.querySelector("ul");
  const note = panel.querySelector("[data-note]");
  const field = panel.querySelector("#finding");
  const tell = (text) => {
    note.hidden = !text;
    note.textContent = text;
  };

  const ask = async () => {
    const rows = [...list.children];
    const asked = rows.map((row) => ({
      name: row.dataset.name,
      present: lines(row.querySelector("[data-present]").value),
      absent: lines(row.querySelector("[data-absent]").value),
    }));
    const empty = asked.find((one) => !one.present.length || !one.absent.length);
    if (empty) return tell(`${empty.name}: a sentence for “present” and one for “absent”, please.`);
    panel.setAttribute("aria-busy", true);
    try {
      const body = JSON.stringify({ image: panel.dataset.findings, findings: asked });
      const { answers } = await json("api/findings", { method: "POST", body, headers: { "Content-Type": "application/json" } });
      for (const { name, value } of answers) {
        const row = rows.find((one) => one.dataset.name === name);
        row.querySelector(".fill").setAttribute("width", value * 60);
        row.querySelector("summary b").textContent = value.toFixed(2);
        list.append(row); // best first
      }
      tell("");
      say(`Asked again: ${answers[0].name} ${answers[0].value.toFixed(2)} is first.`);
    } catch (error) {
      tell(error.message);
    }
    panel.removeAttribute("aria-busy");
  };

  panel.querySelector("[data-add]").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (!name) return;
    const there = [...list.children].find((row) => row.dataset.name === name);
    const row = there ?? list.firstElementChild.cloneNode(true);
    row.dataset.name = name;
    row.querySelector(".name").textContent = name;
    if (!there) {
      row.querySelector("[data-present]").value = `There is ${name}.`;
      row.querySelector("[data-absent]").value = `There is no ${name}.`;
    }
    row.querySelector("details").open = true;
    list.prepend(row);
    field.value = "";
    ask();
  });
  panel.querySelector("[data-ask]").addEventListener("click", ask);
  list.addEventListener("change", ask);
}
