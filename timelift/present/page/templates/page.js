"use strict";
// Without this script every table is complete; with it, headings sort and filters hide rows.
const number = (text) => (text === "" ? NaN : Number(text.replace(/,/g, "")));
const collator = new Intl.Collator("en", { numeric: true });

function sorter(table, place, numeric) {
  return (direction) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => {
      const text = row.cells[place].textContent.trim();
      return { row, text, value: numeric ? number(text) : 0 };
    });
    rows.sort((one, other) => {
      if (!numeric) return direction * collator.compare(one.text, other.text);
      const gone = Number.isNaN(one.value) - Number.isNaN(other.value);
      return gone || direction * (one.value - other.value) || 0;
    });
    body.append(...rows.map((one) => one.row));
  };
}

function sortable(table) {
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, place) => {
    const sort = sorter(table, place, head.classList.contains("n"));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      sort(up ? 1 : -1);
    });
  });
}

function filterable(sheet) {
  const rows = Array.from(sheet.querySelector("tbody").rows);
  const fields = Array.from(sheet.querySelectorAll("[data-column]"));
  const count = sheet.querySelector("output");
  const apply = () => {
    const asked = fields
      .filter((field) => field.value !== "")
      .map((field) => [Number(field.dataset.column), field.value, field.tagName === "SELECT"]);
    let left = 0;
    for (const row of rows) {
      const kept = asked.every(([place, value, whole]) => {
        const text = row.cells[place].textContent.trim();
        return whole ? text === value : text.toLowerCase().includes(value.toLowerCase());
      });
      row.hidden = !kept;
      left += kept;
    }
    const all = `${rows.length.toLocaleString("en")} row${rows.length === 1 ? "" : "s"}`;
    count.textContent = asked.length ? `${left.toLocaleString("en")} of ${all}` : all;
  };
  fields.forEach((field) => field.addEventListener("input", apply));
  const filters = sheet.querySelector(".filters");
  if (filters) filters.hidden = false;
  apply();
}

for (const sheet of document.querySelectorAll(".sheet")) {
  const table = sheet.querySelector("table");
  const numbers = Array.from(table.tHead.rows[0].cells, (head) => head.classList.contains("n"));
  for (const row of table.tBodies[0].rows)
    numbers.forEach((numeric, place) => { if (numeric) row.cells[place].className = "n"; });
  sortable(table);
  filterable(sheet);
}
