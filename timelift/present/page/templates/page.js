// Begin: everything that needs a script appears, and paper gets all that is folded.
document.documentElement.classList.add("js");
if (settings.length) {
  addEventListener("hashchange", follow);
  follow();
  legend();
  for (const place of document.querySelectorAll("[data-chart]"))
    if (place.dataset.chart === "price")
      place.append(...data.prices.map((one) => panel(price, one, data.prices, one.workload, "What each costs over the best")));
    else section(place);
}

let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((one) => { one.open = true; });
  [...panels.keys()].filter((place) => !place.firstChild).slice(0, 120).forEach(paint);
});
addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));
