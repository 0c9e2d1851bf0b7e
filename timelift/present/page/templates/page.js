// The start: everything that needs a script appears, and all that is folded is printed.
document.documentElement.classList.add("js");
if (settings.length) {
  addEventListener("hashchange", follow);
  follow();
  legend();
  if (few.size < ranked.length) {
    const [these, others, end] = words.few;
    document.querySelector("#prices .note")?.append(
      fill(these, { few: few.size, all: ranked.length }), make("a", { href: "#legend" }, others), end);
  }
  document.querySelector("[data-chart=price]")?.append(...data.prices.map((prices) =>
    panel(price, prices, data.prices, prices.workload, document.getElementById("prices-h").textContent)));
  document.querySelectorAll("[data-chart]:not([data-chart=price])").forEach(section);
}

let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((details) => { details.open = true; });
  [...panels.keys()].filter((place) => !place.firstChild).slice(0, 120).forEach(paint);
});
addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
