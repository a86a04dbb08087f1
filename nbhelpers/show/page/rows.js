// A field above every long table that has none yet: only the rows in which its words stand are shown.
for (const box of document.querySelectorAll(".nbh-rows:not([data-state])")) {
  box.dataset.state = "ready";
  const field = box.querySelector("input");
  const told = box.querySelector("output");
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const rows = [...box.parentElement.querySelectorAll("tbody tr")].map((row) => [row, fold(row.textContent)]);
  field.addEventListener("input", () => {
    const asked = fold(field.value.trim());
    for (const [row, text] of rows) row.hidden = !text.includes(asked);
    told.textContent = asked && `${rows.filter(([row]) => !row.hidden).length} of ${rows.length} rows`;
  });
  field.disabled = false;
}
