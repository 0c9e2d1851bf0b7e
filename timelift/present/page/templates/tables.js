// Headings sort their table, and a search hides rows; without a script the tables are complete.
const collator = new Intl.Collator("en", { numeric: true });
const number = (text) => (text === "" ? NaN : Number(text.replace(/,/g, "")));
const cells = (row) => Array.from(row.cells, (cell) => cell.textContent.trim());

function sortable(table) {
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, place) => {
    const button = make("button", { type: "button", onclick: () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      sort(table.tBodies[0], place, head.className === "n", up ? 1 : -1);
    } }, ...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });
}

// Cells without a number come last in both directions.
function sort(body, place, numeric, direction) {
  const texts = Array.from(body.rows, (row) => ({ row, text: row.cells[place].textContent.trim() }));
  texts.sort((first, second) => {
    if (!numeric) return direction * collator.compare(first.text, second.text);
    const [a, b] = [number(first.text), number(second.text)];
    return Number.isNaN(a) - Number.isNaN(b) || direction * (a - b) || 0;
  });
  body.append(...texts.map(({ row }) => row));
}

// Every word must be in some cell of a row; a number must be all of a cell.
function searchable(sheet, body) {
  const count = make("output", { "aria-live": "polite" });
  const texts = new Map();
  const isThere = (row, word) => {
    if (!texts.has(row)) texts.set(row, cells(row).map((text) => text.toLowerCase()));
    const isWord = Number.isNaN(Number(word));
    return texts.get(row).some((text) => isWord ? text.includes(word) : number(text) === Number(word));
  };
  const field = make("input", { type: "search", spellcheck: "false", autocomplete: "off", oninput: () => {
    const asked = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const row of body.rows) left += !(row.hidden = !asked.every((word) => isThere(row, word)));
    const [shown, all] = [left, body.rows.length].map((count) => count.toLocaleString("en"));
    count.textContent = asked.length ? fill(words.rows, { left: shown, all }) : "";
  } });
  sheet.querySelector("p.count").prepend(make("label", {}, words.search, field), " ", count, " ");
}

for (const sheet of document.querySelectorAll(".sheet")) {
  const table = sheet.querySelector("table");
  const numeric = Array.from(table.tHead.rows[0].cells, (head) => head.className === "n");
  for (const row of table.tBodies[0].rows)
    numeric.forEach((is, place) => { if (is) row.cells[place].className = "n"; });
  sortable(table);
  if (table.tBodies[0].rows.length > 1) searchable(sheet, table.tBodies[0]);
}
