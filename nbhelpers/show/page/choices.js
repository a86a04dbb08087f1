// Lets the menu of every .nbh-choices that nobody drives yet exchange the figure. A template costs nothing before it is chosen.
for (const choices of document.querySelectorAll(".nbh-choices:not([data-step])")) {
  const menu = choices.querySelector("select");
  const place = choices.querySelector(".nbh-chosen");
  const figures = new Map([[menu.selectedIndex, [...place.childNodes]]]);
  const show = () => {
    const at = menu.selectedIndex;
    if (!figures.has(at)) {
      const { content } = choices.querySelector(`:scope > template[data-at="${at}"]`);
      figures.set(at, [...document.importNode(content, true).childNodes]);
    }
    place.replaceChildren(...figures.get(at));
    choices.dataset.step = at;
  };
  menu.addEventListener("change", show);
  menu.disabled = false;
  choices.dataset.step = menu.selectedIndex;
}
