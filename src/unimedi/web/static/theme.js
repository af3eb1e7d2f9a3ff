// Dark or light, before the first paint: as was chosen here, else as the system has it.
const chosen = localStorage.getItem("theme");
const theme = chosen ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
document.documentElement.dataset.theme = theme;
