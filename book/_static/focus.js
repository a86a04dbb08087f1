// What scrolls sideways must scroll with the keyboard, too. The theme looks at tables before the formulas in them are set.
document.addEventListener("DOMContentLoaded", () => {
  const boxes = [...document.querySelectorAll(".pst-scrollable-table-container, .cell_output")];
  const observer = new ResizeObserver(() => {
    for (const box of boxes) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  });
  for (const box of boxes) for (const one of [box, ...box.children]) observer.observe(one);
});
