// The charts, each drawn when it comes into view: a panel has what one horizontal axis can hold.
const MOST = 8;
const symbols = new Map(strategies.map((strategy) => [strategy, { draw(context, size) {
  const width = Math.sqrt(size) * 1.15;
  for (const points of strategy.mark) {
    for (let at = 0; at < points.length; at += 2)
      context[at ? "lineTo" : "moveTo"](width * points[at], width * points[at + 1]);
    context.closePath();
  }
} }]));

// Strategies by what they cost at worst.
const ranked = (() => {
  const cost = d3.rollup(rows.filter((row) => row.lift), (group) =>
    d3.max(group, (row) => row.cost ?? row.time / row.setting.rows[0].time), (row) => row.strategy);
  return d3.sort(cost.keys(), (strategy) => cost.get(strategy));
})();
const bases = new Set(settings.map((setting) => setting.baseline).filter(Boolean));
const few = new Set([...new Set([...data.advised.map((place) => strategies[place]), ...bases, ...ranked])].slice(0, MOST));
let drawn = few;

const isDrawn = (row) => drawn.has(row.strategy);
const style = { background: "none", color: "inherit", fontSize: "11px", fontFamily: "inherit", overflow: "visible" };
// Round numbers on a logarithmic axis, and even steps where it is short.
function ticksOf([low, high], most) {
  const decades = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  const within = (steps) => decades.flatMap((decade) => steps.map((step) => step * 10 ** decade))
    .filter((tick) => tick >= low && tick <= high);
  const found = [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1]].map(within);
  const fits = found.find((ticks) => ticks.length <= most) ?? found[2];
  return fits.length > 1 ? fits : d3.ticks(low, high, 4);
}

function logarithmic(values, write, most = 8) {
  const domain = d3.extent(values.filter((value) => value > 0));
  return { type: "log", domain: domain[0] < domain[1] ? domain : [0.9 * domain[0], 1.1 * domain[0]],
    ticks: ticksOf(domain, most), tickFormat: write, grid: true, label: null };
}

// A panel beside others of its workload (`all`), with which it shares the vertical axis.
function byLength(read, low, high, options) {
  return (group, width, all) => {
    const lengths = d3.sort(new Set(group.map((row) => row.setting[along])));
    const x = (row) => row.setting[along];
    const known = group.filter((row) => isDrawn(row) && read(row) !== null);
    const groups = d3.sort(grouped(d3.sort(known, x), (row) => row.strategy), ([strategy]) => strategy.place);
    const marks = groups.flatMap(([strategy, mine], place) => {
      const look = { x, dx: Math.min(3, 24 / groups.length) * (place - (groups.length - 1) / 2) };
      const line = { ...look, stroke: strategy.colour, strokeWidth: 1.4 };
      return [
        Plot.line(mine, { ...line, y: read, strokeDasharray: strategy.dash }),
        Plot.ruleX(mine.filter((row) => low(row) !== null), { ...line, y1: low, y2: high }),
        Plot.dot(mine, { ...look, y: read, fill: strategy.colour, symbol: symbols.get(strategy), r: 3.5 }),
      ];
    });
    return Plot.plot({
      width, height: 210, marginLeft: 46, marginTop: 12, marginRight: 12, style,
      x: { inset: 12, type: lengths.length > 1 ? "log" : "point", domain: lengths.length > 1 ? d3.extent(lengths) : lengths,
        ticks: lengths.length < 8 ? lengths : 6, tickFormat: (value) => value.toLocaleString("en"), label: data.axes.find((axis) => axis.name === along).title },
      y: logarithmic(all.filter(isDrawn).flatMap((row) => [low(row), read(row), high(row)]), options.write),
      marks: [...(options.marks ?? []), ...marks, pointed(known, x, read)],
    });
  };
}

const pointed = (shown, x, y) => Plot.tip(shown, Plot.pointer({ x, y, title: told, fontSize: 12 }));
const told = (row) => [`${nameOf(row.strategy)}: ${duration(row.time)} a call`,
  row.times === null ? "" : `${times(row.times)}${interval(row.times_low, row.times_high, times)} times ${known(row.setting.baseline)}`,
  inWords(row.setting)].filter(Boolean).join("\n");

// A first call or the memory against the time of a call: every size is a mark.
function against(read, write, ring) {
  return (group, width, all) => {
    const known = group.filter((row) => isDrawn(row) && read(row) !== null);
    const time = (row) => row.time;
    const marks = [...grouped(known, (row) => row.strategy)].map(([strategy, mine]) =>
      Plot.dot(mine, { x: time, y: read, fill: strategy.colour, symbol: symbols.get(strategy), r: 4 }));
    return Plot.plot({
      width, height: 230, marginLeft: 52, marginTop: 12, marginRight: 16, style,
      x: { ...logarithmic(known.map(time), durationTick, 5), label: "time of a call" },
      y: logarithmic(all.filter(isDrawn).map(read), write),
      marks: [...marks, Plot.dot(known.filter(ring), { x: time, y: read, r: 8, stroke: "currentColor" }), pointed(known, time, read)],
    });
  };
}

const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"];
const EXECUTION = ["mode", "device", "backend", "threads", "dtype", "time_axis"];
const execution = (setting) => varying.filter((axis) => EXECUTION.includes(axis.name))
  .map((axis) => valueOf(axis.name, setting)).join(", ");

function modes(group, width) {
  const fastest = group.filter((row) => row === row.setting.rows.find((one) => one.lift));
  const size = (row) => inWords(row.setting, ["workload", ...EXECUTION]) || "every size";
  const several = [...grouped(fastest, size).values()].filter((same) => same.length > 1).flat();
  const ways = [...new Set(rows.map((row) => execution(row.setting)))];
  const kind = (row) => execution(row.setting);
  return Plot.plot({
    width, marginLeft: Math.min(width / 2, 8 + 6.2 * d3.max(several, (row) => size(row).length)), style,
    x: { ...logarithmic(several.map((row) => row.time), durationTick, 8), label: "time of the fastest" }, y: { label: null, domain: [...new Set(several.map(size))] },
    color: { domain: ways, range: [...new Set(strategies.map((one) => one.colour)), "#4b6969"] },
    symbol: { domain: ways, range: SYMBOLS, legend: true },
    marks: [Plot.dot(several, { x: "time", y: size, fill: kind, symbol: kind, r: 5 }), pointed(several, "time", size)],
  });
}

function price(one, width, all) {
  const shown = one.strategy.map((place, at) => ({
    strategy: strategies[place], typical: one.typical[at], worst: one.worst[at], settings: one.settings[at],
  })).filter(isDrawn);
  const order = shown.map((row) => row.strategy);
  const label = (strategy) => `${d3.max([strategy.name.length - 26, 0]) ? `${strategy.name.slice(0, 25)}…` : strategy.name}${bases.has(strategy) ? " (baseline)" : ""}`;
  const y = (row) => label(row.strategy);
  const missing = (row) => row.settings < one.of ? `, in ${row.settings} of ${one.of}` : "";
  const most = d3.max(all, (other) => d3.max(other.worst.filter((_, at) => drawn.has(strategies[other.strategy[at]]))));
  return Plot.plot({
    width, height: 30 + 19 * order.length, style, marginTop: 4, marginBottom: 24, marginRight: 46,
    marginLeft: Math.min(width / 2, 12 + 6.2 * d3.max(order, (strategy) => label(strategy).length)),
    x: logarithmic([1, Math.max(most * 1.02, 1.1)], (value) => `${short(value)}×`, 6),
    y: { domain: order.map(label), label: null, tickSize: 0 },
    marks: [
      Plot.ruleX([1]),
      Plot.ruleY(shown, { x1: 1, x2: "worst", y, stroke: (row) => row.strategy.colour, strokeWidth: 3 }),
      Plot.tickX(shown, { x: "worst", y, stroke: (row) => row.strategy.colour, strokeWidth: 2, inset: 3 }),
      ...shown.map((row) => Plot.dot([row], { x: "typical", y, fill: row.strategy.colour, symbol: symbols.get(row.strategy), r: 4.5 })),
      Plot.text(shown, { x: "worst", y, text: (row) => `${times(row.worst)}×${missing(row)}`, textAnchor: "start", dx: 5 }),
      Plot.tip(shown, Plot.pointerY({ x: "worst", y, title: (row) => `${row.strategy.name}: typically ${times(row.typical)}, at most ${times(row.worst)} times the best${missing(row)}` })),
    ],
  });
}

const one = { marks: [Plot.ruleY([1], { strokeWidth: 1.5 })], write: (value) => `${short(value)}×` };
const CHARTS = {
  "speed-up": byLength((row) => row.times, (row) => row.times_low, (row) => row.times_high, one),
  time: byLength((row) => row.time, (row) => row.time_low, (row) => row.time_high, { write: durationTick }),
  "first-call": against((row) => row.first, (value) => `${short(value)} s`, () => false),
  memory: against((row) => row.peak, (value) => `${short(value)} MiB`, (row) => row.front),
  modes,
};
// What the settings of a panel share, and what its rows of panels do.
const SHARED = { "speed-up": [along], time: [along], "first-call": ["seq_len", "batch"], memory: ["seq_len", "batch"],
  modes: varying.map((axis) => axis.name).filter((name) => name !== "workload") };
const seen = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && paint(entry.target)),
  { rootMargin: "300px" });
const panels = new Map();

function paint(panel) {
  seen.unobserve(panel);
  const { draw, group, all, label } = panels.get(panel);
  const chart = draw(group, Math.max(240, Math.floor(panel.clientWidth)), all);
  for (const part of chart.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", label);
  panel.replaceChildren(chart);
}

function panel(draw, group, all, label, title) {
  const made = make("div", { class: "plot" });
  panels.set(made, { draw, group, all, label: `${title}: ${label}` });
  seen.observe(made);
  return make("figure", { class: "panel" }, make("figcaption", {}, label), made);
}

// Panels by workload, folded where there are many workloads; a row for each mode, device and the like.
function section(place) {
  const name = place.dataset.chart;
  const title = place.closest("section").querySelector("h2").textContent;
  const workloads = grouped(rows, (row) => row.setting.workload);
  for (const [workload, mine] of workloads) {
    const box = make("details", workloads.size < 5 || !place.children.length ? { open: "" } : {}, make("summary", {}, make("h3", {}, workload)));
    const lines = name === "winners" ? [] : grouped(mine, (row) => execution(row.setting));
    if (name === "winners") box.append(winners(mine));
    else if (name === "modes") box.append(panel(modes, mine, mine, workload, title));
    else for (const line of lines.values()) {
      const shared = ["workload", ...SHARED[name]];
      const groups = grouped(line, (row) => inWords(row.setting, shared));
      box.append(make("div", { class: "panels" }, ...[...groups].map(([label, group]) =>
        panel(CHARTS[name], group, mine, label || workload, title))));
    }
    place.append(box);
  }
}

// A table of the fastest, linked to the chooser: a row for each pass, batch and mode.
function winners(mine) {
  const values = d3.sort(new Set(mine.map((row) => row.setting[along])));
  const groups = grouped(mine, (row) => inWords(row.setting, ["workload", along]) || row.setting.workload);
  const head = [make("td"), ...values.map((value) => make("th", { scope: "col" }, valueOf(along, { [along]: value })))];
  const lines = [...groups].map(([label, group]) => make("tr", {}, make("th", { scope: "row" }, label),
    ...values.map((value) => make("td", {}, ...winner(group.find((row) => row.setting[along] === value)?.setting)))));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Fastest of ${mine[0].setting.workload}` },
    make("table", { class: "answers" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines)));
}

function winner(setting) {
  const best = setting?.rows.find((row) => row.lift);
  if (!best) return [];
  const ties = setting.rows.filter((row) => row.unbeaten).length - 1;
  const gain = best.times === null || best.strategy === setting.baseline ? "" : `${times(best.times)}×`;
  const words = [gain, ties > 0 ? `${ties} other${ties > 1 ? "s" : ""} not shown slower` : ""].filter(Boolean).join(", ");
  return [make("a", { href: address(setting) }, sample(best.strategy), best.strategy.name), make("small", {}, words)];
}

// Which strategies the charts draw: a few of many until a reader asks for others.
function legend() {
  const box = (strategy) => make("label", {}, make("input", { type: "checkbox", ...(drawn.has(strategy) ? { checked: "" } : {}),
    onchange: (event) => redraw(event.target.checked ? [...drawn, strategy] : [...drawn].filter((one) => one !== strategy)) }),
  sample(strategy), nameOf(strategy));
  const measured = strategies.filter((strategy) => rows.some((row) => row.strategy === strategy));
  const all = make("button", { type: "button", onclick: () => { redraw(drawn.size < measured.length ? measured : few); legend(); } },
    drawn.size < measured.length ? `All ${measured.length}` : `The ${few.size} cheapest`);
  document.getElementById("legend").replaceChildren(make("fieldset", {}, make("legend", {}, "Strategies in the charts"),
    ...measured.map(box), ...(measured.length > few.size ? [all] : [])));
}

function redraw(chosen) {
  drawn = new Set(chosen);
  for (const place of panels.keys()) if (place.firstChild) paint(place);
}
