// What every page does beside showing itself: theme, search form, thumbnails, dropped files, keys.
import { viewers } from "./viewer.js";
import { findings } from "./findings.js";

const status = document.getElementById("said");

/** Say something to whoever does not see the screen. */
export function say(text) {
  status.textContent = text;
}

/** An answer's JSON; an Error with the server's sentence where there is none. */
export async function json(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  const body = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error?.message ?? `The server answered with ${answer.status}.`);
  return body;
}

function themeSwitch() {
  const button = document.querySelector("[data-theme-switch]");
  const root = document.documentElement;
  const show = () => (button.textContent = root.dataset.theme === "dark" ? "Light" : "Dark");
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    show();
  });
}

function searchForm() {
  const form = document.getElementById("search");
  if (!form) return;
  const filters = form.querySelector("details.filters");
  if (matchMedia("(max-width: 50rem)").matches) filters.open = false;
  // Leave what is as usual out of the address.
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, usual] of [["q", ""], ["since", ""], ["until", ""], ["by", "both"], ["k", "10"]])
      if (formData.get(name) === usual) formData.delete(name);
  });
  const asked = () => form.q.value.trim() || form.querySelector(".example");
  form.addEventListener("change", (event) => {
    if (event.target.closest(".filters") && asked() && form.reportValidity()) form.requestSubmit();
  });
  form.addEventListener("submit", () => document.body.classList.add("loading"));
  addEventListener("pageshow", () => document.body.classList.remove("loading"));
  const summary = document.querySelector(".summary, .results .state h1");
  if (summary && asked()) say(summary.textContent);
}

/** The slice of each CT that matches the query, a few at a time, the ones in sight first. */
function matches() {
  const waiting = [];
  let running = 0;
  const next = async () => {
    if (running >= 2 || !waiting.length) return;
    running += 1;
    const image = waiting.shift();
    try {
      const match = await json(`api/match?${image.dataset.match}`);
      image.src = match.thumbnail;
      if (match.planes > 1) image.parentElement.querySelector("[data-caption]").textContent = `${match.plane + 1}/${match.planes}`;
    } catch (error) {
      image.parentElement.classList.add("none");
      image.parentElement.querySelector("[data-caption]").textContent = "no image";
      image.parentElement.title = error.message;
    }
    running -= 1;
    next();
  };
  const sight = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen)
      if (isIntersecting) {
        sight.unobserve(target);
        waiting.push(target);
        next();
      }
  }, { rootMargin: "200px" });
  for (const image of document.querySelectorAll("img[data-match]")) sight.observe(image);
  for (const image of document.querySelectorAll(".thumb img:not([data-match])"))
    image.addEventListener("error", () => image.parentElement.classList.add("none"));
}

/** Files: dropped anywhere or chosen; sent as they are, and then opened as a study. */
function uploads() {
  const zone = document.getElementById("drop");
  const words = zone.querySelector("p");
  const usual = [...words.childNodes];
  let depth = 0;
  const close = () => {
    zone.hidden = true;
    zone.classList.remove("busy", "bad");
    words.replaceChildren(...usual);
  };
  const send = async (files) => {
    zone.hidden = false;
    const tell = (text, bad) => {
      words.textContent = text;
      zone.classList.toggle("bad", Boolean(bad));
      zone.classList.toggle("busy", !bad);
      say(text);
      if (bad) {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
        button.addEventListener("click", close);
        words.append(document.createElement("br"), button);
        button.focus();
      }
    };
    if (files.length !== 1) return tell("One file at a time, please; a series of DICOM files goes into one zip.", true);
    const [file] = files;
    tell(`Reading ${file.name} …`);
    try {
      const address = `api/uploads?${new URLSearchParams({ name: file.name })}`;
      const made = await json(address, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
      location.assign(made.url);
    } catch (error) {
      tell(error.message, true);
    }
  };
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    depth += 1;
    zone.hidden = false;
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth && !zone.matches(".busy, .bad")) close();
  });
  addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    send(event.dataTransfer.files);
  });
  for (const input of document.querySelectorAll("input[data-open]"))
    input.addEventListener("change", () => input.files.length && send(input.files));
  for (const button of document.querySelectorAll("[data-remove]"))
    button.addEventListener("click", async () => {
      await json(`api/uploads/${encodeURIComponent(button.dataset.remove)}`, { method: "DELETE" }).catch(() => {});
      location.assign("./");
    });
}

function keys() {
  const query = document.getElementById("q");
  const hits = [...document.querySelectorAll(".results .hit h2 a")];
  addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && query) {
      event.preventDefault();
      query.focus();
      query.select();
    }
    const step = { j: 1, k: -1 }[event.key];
    if (step && hits.length) {
      const here = hits.indexOf(document.activeElement);
      hits[Math.min(Math.max(here + step, 0), hits.length - 1)].focus();
    }
  });
}

themeSwitch();
searchForm();
matches();
uploads();
keys();
viewers();
findings();
