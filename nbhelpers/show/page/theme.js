// A page of its own is light or dark as its reader's system is, and says so as the book does.
const nbhNight = window.matchMedia("(prefers-color-scheme: dark)");
const nbhTheme = () => { document.documentElement.dataset.theme = nbhNight.matches ? "dark" : "light"; };
nbhNight.addEventListener("change", nbhTheme);
nbhTheme();
