// The charts, each drawn when it comes into view. A panel has what one pair of axes can hold.
const MOST = 8;

// Marks as matplotlib has them: outlines in units of their width.
const symbols = new Map(strategies.map((strategy) => [strategy, {
  draw(context, size) {
    const width = Math.sqrt(size) * 1.15;
    for (const points of strategy.mark) {
      for (let at = 0; at < points.length; at += 2)
        context[at ? "lineTo" : "moveTo"](width * points[at], width * points[at + 1]);
      context.closePath();
    }
  },
}]));

// Strategies by what they cost at worst, and the few of them that are drawn at first.
const worst = d3.rollup(
  rows.filter((row) => row.lift),
  (group) => d3.max(group, (row) => row.cost ?? row.time / row.setting.rows[0].time),
  (row) => row.strategy,
);
const ranked = d3.sort(worst.keys(), (strategy) => worst.get(strategy));
const bases = new Set(settings.map((setting) => setting.baseline).filter(Boolean));
const advised = data.advised.map((place) => strategies[place]);
const few = new Set([...new Set([...advised, ...bases, ...ranked])].slice(0, MOST));
let drawn = few;
const isDrawn = (row) => drawn.has(row.strategy);

// Round numbers on a logarithmic axis, and even steps where it is short.
function ticksOf([low, high], most) {
  const decades = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  const within = (steps) => decades
    .flatMap((decade) => steps.map((step) => step * 10 ** decade))
    .filter((tick) => tick >= low && tick <= high);
  const found = [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1]].map(within);
  const fits = found.find((ticks) => ticks.length <= most) ?? found[2];
  return fits.length > 1 ? fits : d3.ticks(low, high, 4);
}

function logarithmic(values, write, most = 8) {
  const [low, high] = d3.extent(values.filter((value) => value > 0));
  const domain = low < high ? [low, high] : [0.9 * low, 1.1 * low];
  return { type: "log", domain, ticks: ticksOf(domain, most), tickFormat: write, grid: true, label: null };
}

const style = { background: "none", color: "inherit", fontSize: "11px", fontFamily: "inherit", overflow: "visible" };
const mark = (strategy) => ({ fill: strategy.colour, symbol: symbols.get(strategy) });
const roomFor = (labels, width) => Math.min(width / 2, 12 + 6.2 * d3.max(labels, (label) => label.length));

// What is told under the pointer.
const pointed = (shown, x, y) => Plot.tip(shown, Plot.pointer({ x, y, title: told, fontSize: 12 }));
const told = (row) => [
  `${nameOf(row.strategy)}: ${duration(row.time)} a call`,
  row.times === null ? "" : `${speedUp(row)} times ${known(row.setting.baseline)}`,
  inWords(row.setting),
].filter(Boolean).join("\n");

// Lines against length with intervals, which stand beside each other. Panels of a workload (`all`)
// share the vertical axis; `line` is drawn at a value, if any.
function byLength({ read, low, high, write, line }) {
  const x = (row) => row.setting[along];
  const under = line === undefined ? [] : [Plot.ruleY([line], { strokeWidth: 1.5 })];
  return (group, width, all) => {
    const known = d3.sort(group.filter((row) => isDrawn(row) && read(row) !== null), x);
    if (new Set(group.map(x)).size === 1) return atOneSize({ read, low, high, write, line }, known, width);
    const lines = d3.sort(grouped(known, (row) => row.strategy), ([strategy]) => strategy.place);
    const marks = lines.flatMap(([strategy, mine], place) => {
      const beside = { x, dx: Math.min(3, 24 / lines.length) * (place - (lines.length - 1) / 2) };
      const stroke = { ...beside, stroke: strategy.colour, strokeWidth: 1.4 };
      return [
        Plot.line(mine, { ...stroke, y: read, strokeDasharray: strategy.dash }),
        Plot.ruleX(mine.filter((row) => low(row) !== null), { ...stroke, y1: low, y2: high }),
        Plot.dot(mine, { ...beside, ...mark(strategy), y: read, r: 3.5 }),
      ];
    });
    return Plot.plot({
      ...{ width, style, height: 210, marginLeft: 46, marginTop: 12, marginRight: 12 },
      x: lengthAxis(d3.sort(new Set(group.map(x)))),
      y: logarithmic(all.filter(isDrawn).flatMap((row) => [low(row), read(row), high(row)]), write),
      marks: [...under, ...marks, pointed(known, x, read)],
    });
  };
}

// A row a strategy, the fastest first, where one size alone was measured.
function atOneSize({ read, low, high, write, line }, group, width) {
  const known = d3.sort(group, (row) => row.time);
  const y = (row) => cut(row.strategy.name);
  const ends = known.flatMap((row) => [low(row), read(row), high(row)]);
  const across = known.filter((row) => low(row) !== null);
  return Plot.plot({
    ...{ width, style, height: 34 + 18 * known.length, marginTop: 8, marginRight: 16 },
    marginLeft: roomFor(known.map(y), width),
    x: { ...logarithmic(line === undefined ? ends : [...ends, line], write, 5), inset: 6 },
    y: { domain: known.map(y), label: null, tickSize: 0 },
    marks: [
      ...(line === undefined ? [] : [Plot.ruleX([line])]),
      Plot.ruleY(across, { y, x1: low, x2: high, stroke: (row) => row.strategy.colour, strokeWidth: 1.6 }),
      ...known.map((row) => Plot.dot([row], { x: read, y, ...mark(row.strategy), r: 4 })),
      pointed(known, read, y),
    ],
  });
}

function lengthAxis(lengths) {
  return {
    type: "log",
    domain: d3.extent(lengths),
    ticks: lengths.length < 8 ? lengths : 6,
    tickFormat: (value) => value.toLocaleString("en"),
    label: data.axes.find((axis) => axis.name === along).title,
    inset: 12,
  };
}

// A first call or the memory against the time of a call: every size is a mark.
function againstTime({ read, write, isRinged = () => false }) {
  const time = (row) => row.time;
  return (group, width, all) => {
    const known = group.filter((row) => isDrawn(row) && read(row) !== null);
    const marks = [...grouped(known, (row) => row.strategy)].map(([strategy, mine]) =>
      Plot.dot(mine, { x: time, y: read, ...mark(strategy), r: 4 }));
    const rings = Plot.dot(known.filter(isRinged), { x: time, y: read, r: 8, stroke: "currentColor" });
    return Plot.plot({
      ...{ width, style, height: 230, marginLeft: 52, marginTop: 12, marginRight: 16 },
      x: { ...logarithmic(known.map(time), durationTick, 5), label: "time of a call" },
      y: logarithmic(all.filter(isDrawn).map(read), write),
      marks: [...marks, rings, pointed(known, time, read)],
    });
  };
}

const EXECUTION = ["mode", "device", "backend", "threads", "dtype", "time_axis"];
const execution = (setting) => varying
  .filter((axis) => EXECUTION.includes(axis.name))
  .map((axis) => valueOf(axis.name, setting)).join(", ");

// The fastest in each mode, device and the like: a row for each size that has several.
function modes(group, width) {
  const fastest = group.filter((row) => row === row.setting.rows.find((one) => one.lift));
  const size = (row) => inWords(row.setting, ["workload", ...EXECUTION]) || "every size";
  const way = (row) => execution(row.setting);
  const several = [...grouped(fastest, size).values()].filter((same) => same.length > 1).flat();
  const sizes = [...new Set(several.map(size))];
  const domain = [...new Set(rows.map(way))];
  return Plot.plot({
    ...{ width, style, marginLeft: roomFor(sizes, width) },
    x: { ...logarithmic(several.map((row) => row.time), durationTick), label: "time of the fastest" },
    y: { label: null, domain: sizes },
    color: { domain, range: [...new Set(strategies.map((one) => one.colour)), "#4b6969"] },
    symbol: { domain, range: ["circle", "square", "triangle", "diamond", "star", "cross", "wye"], legend: true },
    marks: [Plot.dot(several, { x: "time", y: size, fill: way, symbol: way, r: 5 }), pointed(several, "time", size)],
  });
}

// What each strategy costs over the best: a mark where it is typical, a bar to where it ends.
function price(one, width, all) {
  const costs = (workload) => records({
    strategy: workload.strategy, typical: workload.typical, worst: workload.worst, settings: workload.settings,
  }).map((row) => ({ ...row, strategy: strategies[row.strategy] })).filter(isDrawn);
  const shown = costs(one);
  const most = d3.max(all.flatMap(costs), (row) => row.worst);
  const label = ({ strategy }) => `${cut(strategy.name)}${bases.has(strategy) ? " (baseline)" : ""}`;
  const ends = (row) => `${times(row.worst)}×${row.settings < one.of ? `, in ${row.settings} of ${one.of}` : ""}`;
  const title = (row) => `${row.strategy.name}: typically ${times(row.typical)}×, at most ${ends(row)}`;
  const to = { x: "worst", y: label };
  const stroke = (row) => row.strategy.colour;
  return Plot.plot({
    ...{ width, style, height: 30 + 19 * shown.length, marginTop: 4, marginBottom: 24, marginRight: 46 },
    marginLeft: roomFor(shown.map(label), width),
    x: logarithmic([1, Math.max(most * 1.02, 1.1)], (value) => `${short(value)}×`, 6),
    y: { domain: shown.map(label), label: null, tickSize: 0 },
    marks: [
      Plot.ruleX([1]),
      Plot.ruleY(shown, { x1: 1, x2: "worst", y: label, stroke, strokeWidth: 3 }),
      Plot.tickX(shown, { ...to, stroke, strokeWidth: 2, inset: 3 }),
      ...shown.map((row) => Plot.dot([row], { x: "typical", y: label, ...mark(row.strategy), r: 4.5 })),
      Plot.text(shown, { ...to, text: ends, textAnchor: "start", dx: 7 }),
      Plot.tip(shown, Plot.pointerY({ ...to, title })),
    ],
  });
}

// By the name of a section: what the settings of a panel need not share, and how it is drawn.
const CHARTS = {
  "speed-up": { free: [along], draw: byLength({
    read: (row) => row.times, low: (row) => row.times_low, high: (row) => row.times_high,
    write: (value) => `${short(value)}×`, line: 1,
  }) },
  time: { free: [along], draw: byLength({
    read: (row) => row.time, low: (row) => row.time_low, high: (row) => row.time_high, write: durationTick,
  }) },
  "first-call": { free: ["seq_len", "batch"], draw: againstTime({
    read: (row) => row.first, write: (value) => durationTick(1e6 * value),
  }) },
  memory: { free: ["seq_len", "batch"], draw: againstTime({
    read: (row) => row.peak, write: (value) => `${short(value)} MiB`, isRinged: (row) => row.front,
  }) },
};

const panels = new Map();
const watch = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => paint(target)),
  { rootMargin: "300px" },
);

function panel(draw, group, all, label, title) {
  const made = make("div", { class: "plot" });
  panels.set(made, { draw, group, all, label: `${title}: ${label}` });
  watch.observe(made);
  return make("figure", { class: "panel" }, make("figcaption", {}, label), made);
}

function paint(made) {
  watch.unobserve(made);
  const { draw, group, all, label } = panels.get(made);
  const chart = draw(group, Math.max(240, Math.floor(made.clientWidth)), all);
  for (const part of chart.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", label);
  made.replaceChildren(chart);
}

function redraw(chosen) {
  drawn = new Set(chosen);
  for (const made of panels.keys()) if (made.firstChild) paint(made);
}

// What is usual comes first, and forward calls before backward ones.
const inOrder = d3.sort(rows, ({ setting }) => setting.workload, ({ setting }) => setting.unusual,
  ({ setting }) => setting.phase !== "forward");

// Every workload of a section, folded where there are many.
function section(place) {
  const title = place.closest("section").querySelector("h2").textContent;
  const workloads = grouped(inOrder, (row) => row.setting.workload);
  for (const [workload, mine] of workloads) {
    const isOpen = workloads.size < 5 || !place.children.length;
    place.append(make("details", { open: isOpen ? "" : null },
      make("summary", {}, make("h3", {}, workload)), ...drawings(place.dataset.chart, mine, workload, title)));
  }
}

// The panels of a workload: a line of them for each mode, device and the like.
function drawings(name, mine, workload, title) {
  if (name === "winners") return [winners(mine)];
  if (name === "modes") return [panel(modes, mine, mine, workload, title)];
  const { free, draw } = CHARTS[name];
  return [...grouped(mine, (row) => execution(row.setting)).values()].map((line) => {
    const groups = grouped(line, (row) => inWords(row.setting, ["workload", ...free]) || workload);
    return make("div", { class: "panels" },
      ...[...groups].map(([label, group]) => panel(draw, group, mine, label, title)));
  });
}

// A table of the fastest, linked to the chooser: a row for each phase, batch and mode.
function winners(mine) {
  const { workload } = mine[0].setting;
  const sizes = d3.sort(new Set(mine.map((row) => row.setting[along])));
  const groups = grouped(mine, (row) => inWords(row.setting, ["workload", along]) || workload);
  const head = sizes.map((size) => make("th", { scope: "col" }, valueOf(along, { [along]: size })));
  const lines = [...groups].map(([label, group]) => {
    const settingAt = (size) => group.find((row) => row.setting[along] === size)?.setting;
    const cells = sizes.map((size) => make("td", {}, ...winner(settingAt(size))));
    return make("tr", {}, make("th", { scope: "row" }, label), ...cells);
  });
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Fastest of ${workload}` },
    make("table", { class: "answers" },
      make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...lines)));
}

function winner(setting) {
  const best = setting?.rows.find((row) => row.lift);
  if (!best) return [];
  const ties = setting.rows.filter((row) => row.unbeaten).length - 1;
  const gain = best.times === null || best.strategy === setting.baseline ? "" : `${times(best.times)}×`;
  const close = ties > 0 ? `${ties} other${ties > 1 ? "s" : ""} not shown slower` : "";
  return [make("a", { href: address(setting) }, sample(best.strategy), best.strategy.name),
    make("small", {}, [gain, close].filter(Boolean).join(", "))];
}

// Which strategies the charts draw: a few of many until a reader asks for others.
function legend() {
  const measured = strategies.filter((strategy) => rows.some((row) => row.strategy === strategy));
  const isPart = drawn.size < measured.length;
  const box = (strategy) => make("label", {}, make("input", {
    type: "checkbox", checked: drawn.has(strategy) ? "" : null,
    onchange: ({ target }) => redraw([...drawn, strategy].filter((one) => target.checked || one !== strategy)),
  }), sample(strategy), nameOf(strategy));
  const all = make("button", {
    type: "button", onclick: () => { redraw(isPart ? measured : few); legend(); },
  }, isPart ? `All ${measured.length}` : `The ${few.size} cheapest`);
  document.getElementById("legend").replaceChildren(make("fieldset", {},
    make("legend", {}, "Strategies in the charts"), ...measured.map(box), measured.length > few.size ? all : null));
}
