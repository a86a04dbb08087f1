// Paper can't unfold: hints and the answers of a quiz are opened for printing, and closed again. Tables of figures stay folded.
(() => {
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("article details:not([open])")].filter((one) => !one.closest(".nbh-figure, .nbh-numbers"));
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
})();
