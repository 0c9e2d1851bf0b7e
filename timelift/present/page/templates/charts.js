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
const few = new Set([...new Set([...advised, ...bases, ...ranked])].slice(0, MOST));
let drawn = few;
const isDrawn = (row) => drawn.has(row.strategy);

// Round numbers on a logarithmic axis, and even steps where it is short. Marks keep off its ends.
function ticksOf([low, high], most) {
  const decades = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  const within = (steps) => decades
    .flatMap((decade) => steps.map((step) => step * 10 ** decade))
    .filter((tick) => tick >= low && tick <= high);
  const choices = [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]].map(within);
  const ticks = choices.find((choice) => choice.length <= most) ?? choices.at(-1);
  return ticks.length > 1 ? ticks : d3.ticks(low, high, 4);
}

function logarithmic(values, write, most = 8) {
  const [low, high] = d3.extent(values.filter((value) => value > 0));
  const pad = low < high ? (high / low) ** 0.05 : 1.1;
  const domain = [low / pad, high * pad];
  return { type: "log", domain, ticks: ticksOf(domain, most), tickFormat: write, grid: true, label: null };
}

// Plot labels a logarithmic axis at some first digits only; here every tick has its label.
function plotted({ marks, ...options }) {
  const axes = [[Plot.axisX, options.x], [Plot.axisY, options.y]]
    .filter(([, scale]) => scale.type === "log")
    .map(([axis, { ticks, tickFormat, label }]) => axis(ticks, { text: tickFormat, label }));
  return Plot.plot({ ...options, style, marks: [...axes, ...marks] });
}

const style = { background: "none", color: "inherit", fontSize: "11px", fontFamily: "inherit", overflow: "visible" };
const mark = (strategy) => ({ fill: strategy.colour, symbol: symbols.get(strategy) });
const ticksIn = (room) => Math.max(2, Math.floor(room / 48));
const roomFor = (labels, width) => Math.min(width / 2, 12 + 6.2 * d3.max(labels, (label) => label.length));

// The words under the pointer.
const pointed = (shown, x, y) => Plot.tip(shown, Plot.pointer({ x, y, title: tipOf, fontSize: 12 }));
const tipOf = (row) => [
  fill(words.pointed, { strategy: row.strategy.marked, time: row.call, call: words.calls[row.setting.phase] }),
  row.times === null ? ""
    : `${row.gain}${row.gain_interval} ${fill(words.timesAsFast, { baseline: row.setting.baseline.known })}`,
  inWords(row.setting),
].filter(Boolean).join("\n");

// Lines against length with intervals; those of one length stand beside each other. Panels of a
// workload (`all`) share the vertical axis. A line is drawn across at the value `line`, if any.
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
    return plotted({
      ...{ width, height: 210, marginLeft: 46, marginTop: 12, marginRight: 12 },
      x: lengthAxis(d3.sort(new Set(group.map(x)))),
      y: logarithmic(all.filter(isDrawn).flatMap((row) => [low(row), read(row), high(row)]), write),
      marks: [...under, ...marks, pointed(known, x, read)],
    });
  };
}

// A row a strategy, the fastest first, if a single size was measured.
function atOneSize({ read, low, high, write, line }, group, width) {
  const known = d3.sort(group, (row) => row.time);
  const y = (row) => cut(row.strategy.name);
  const ends = known.flatMap((row) => [low(row), read(row), high(row)]);
  const across = known.filter((row) => low(row) !== null);
  const marginLeft = roomFor(known.map(y), width);
  return plotted({
    ...{ width, height: 34 + 18 * known.length, marginTop: 8, marginRight: 16, marginLeft },
    x: logarithmic(line === undefined ? ends : [...ends, line], write, ticksIn(width - marginLeft)),
    y: { domain: known.map(y), label: null, tickSize: 0 },
    marks: [
      ...(line === undefined ? [] : [Plot.ruleX([line])]),
      Plot.ruleY(across, { y, x1: low, x2: high, stroke: (row) => row.strategy.colour, strokeWidth: 1.6 }),
      ...known.map((row) => Plot.dot([row], { x: read, y, ...mark(row.strategy), r: 4 })),
      pointed(known, read, y),
    ],
  });
}

// The greatest length has a label, and smaller ones that leave room for each other.
function lengthAxis(lengths) {
  const [least, most] = d3.extent(lengths);
  const step = (most / least) ** 0.15;
  const labelled = lengths.reduceRight((kept, length) =>
    !kept.length || length * step <= kept[0] ? [length, ...kept] : kept, []);
  return {
    type: "log",
    domain: [least, most],
    ticks: labelled,
    tickFormat: (value) => value.toLocaleString("en"),
    label: data.axes.find((axis) => axis.name === along).title,
    inset: 12,
  };
}

// A mark is the larger, the more steps a call has in all its sequences.
const SIZES = ["seq_len", "batch"];
const sizeOf = ({ seq_len: length, batch }) => length * batch;
const sizesOf = (group) => d3.sort(new Set(group.map(({ setting }) => sizeOf(setting))));

// A first call or the memory against the time of a call: every size is a mark.
function againstTime({ read, write, isRinged = () => false }) {
  const time = (row) => row.time;
  return (group, width, all) => {
    const known = group.filter((row) => isDrawn(row) && read(row) !== null);
    const sizes = sizesOf(group);
    const r = ({ setting }) => sizes.length > 1 ? 3 + 3 * sizes.indexOf(sizeOf(setting)) / (sizes.length - 1) : 4;
    const marks = [...grouped(known, (row) => row.strategy)].map(([strategy, mine]) =>
      Plot.dot(mine, { x: time, y: read, ...mark(strategy), r }));
    const rings = Plot.dot(known.filter(isRinged), { x: time, y: read, r: 8, stroke: "currentColor" });
    return plotted({
      ...{ width, height: 230, marginLeft: 52, marginTop: 12, marginRight: 16 },
      x: { ...logarithmic(known.map(time), durationTick, 5), label: fill(words.timeOf, { call: words.calls[group[0].setting.phase] }) },
      y: logarithmic(all.filter(isDrawn).map(read), write),
      marks: [...marks, rings, pointed(known, time, read)],
    });
  };
}

const EXECUTION = data.axes.filter((axis) => axis.compared).map((axis) => axis.name);
const execution = (setting) => varying
  .filter((axis) => EXECUTION.includes(axis.name))
  .map((axis) => valueOf(axis.name, setting)).join(", ");

// The fastest of a size in each mode, device and the like, named beside its mark.
function modes(group, width, all) {
  const y = (row) => execution(row.setting);
  const x = logarithmic(all.map((row) => row.time), durationTick, 5);
  const isLeft = (row) => row.time < Math.sqrt(x.domain[0] * x.domain[1]);
  const named = { x: "time", y, text: (row) => cut(row.strategy.name) };
  return plotted({
    ...{ width, height: 34 + 20 * group.length, marginTop: 4, marginRight: 16, x },
    marginLeft: roomFor(group.map(y), width),
    y: { domain: group.map(y), label: null, tickSize: 0 },
    marks: [
      Plot.dot(group, { x: "time", y, fill: "currentColor", r: 4 }),
      Plot.text(group.filter(isLeft), { ...named, textAnchor: "start", dx: 9 }),
      Plot.text(group.filter((row) => !isLeft(row)), { ...named, textAnchor: "end", dx: -9 }),
      pointed(group, "time", y),
    ],
  });
}

// A panel for each size that was measured in several.
function modePanels(mine, title) {
  const fastest = mine.filter((row) => row === row.setting.rows.find(({ lift }) => lift));
  const size = (row) => inWords(row.setting, ["workload", ...EXECUTION]) || words.everySize;
  const several = [...grouped(fastest, size)].filter(([, same]) => same.length > 1);
  const all = several.flatMap(([, same]) => same);
  return several.map(([label, same]) => panel(modes, same, all, label, title));
}

// The cost of each strategy over the best, the cheapest first and the advised in bold: a mark at the
// typical cost, a bar to the most.
function price(prices, width, all) {
  const costs = ({ strategies: costing }) => records(costing)
    .map((row) => ({ ...row, strategy: strategies[row.strategy] })).filter(isDrawn);
  const shown = d3.sort(costs(prices), (row) => row.worst);
  const most = d3.max(all.flatMap(costs), (row) => row.worst);
  const label = ({ strategy }) => bases.has(strategy)
    ? fill(words.markedBaseline, { strategy: cut(strategy.name) }) : cut(strategy.name);
  const to = { x: "worst", y: label };
  const stroke = (row) => row.strategy.colour;
  const marginLeft = roomFor(shown.map(label), width), marginRight = roomFor(shown.map((row) => row.ends), width / 2);
  return plotted({
    ...{ width, height: 30 + 19 * shown.length, marginTop: 4, marginBottom: 24, marginLeft, marginRight },
    x: logarithmic([1, Math.max(most, 1.1)], tick(words.tickTimes), ticksIn(width - marginLeft - marginRight)),
    y: { domain: shown.map(label), label: null },
    marks: [
      ...[true, false].map((isAdvised) => Plot.axisY(
        shown.filter((row) => isAdvised === (prices.advised === row.strategy.place)).map(label),
        { tickSize: 0, fontWeight: isAdvised ? "bold" : null })),
      Plot.ruleX([1]),
      Plot.ruleY(shown, { x1: 1, x2: "worst", y: label, stroke, strokeWidth: 3 }),
      Plot.tickX(shown, { ...to, stroke, strokeWidth: 2, inset: 3 }),
      ...shown.map((row) => Plot.dot([row], { x: "typical", y: label, ...mark(row.strategy), r: 4.5 })),
      Plot.text(shown, { ...to, text: "ends", textAnchor: "start", dx: 7 }),
      Plot.tip(shown, Plot.pointerY({ ...to, title: "title" })),
    ],
  });
}

// By the name of a section: the axes that differ inside a panel, and how it is drawn.
const CHARTS = {
  "speed-up": { free: [along], draw: byLength({
    read: (row) => row.times, low: (row) => row.times_low, high: (row) => row.times_high,
    write: tick(words.tickTimes), line: 1,
  }) },
  time: { free: [along], draw: byLength({
    read: (row) => row.time, low: (row) => row.time_low, high: (row) => row.time_high, write: durationTick,
  }) },
  "first-call": { free: SIZES, draw: againstTime({
    read: (row) => row.first, write: (value) => durationTick(1e6 * value),
  }) },
  memory: { free: SIZES, draw: againstTime({
    read: (row) => row.peak, write: tick(words.tickMemory), isRinged: (row) => row.front,
  }) },
};

const panels = new Map();
const watch = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => paint(target)),
  { rootMargin: "300px" },
);

function panel(draw, group, all, label, title) {
  const plot = make("div", { class: "plot" });
  panels.set(plot, { draw, group, all, label: [title, label].filter(Boolean).join(": ") });
  watch.observe(plot);
  return make("figure", { class: "panel" }, label ? make("figcaption", {}, label) : null, plot);
}

function paint(plot) {
  watch.unobserve(plot);
  const { draw, group, all, label } = panels.get(plot);
  const chart = draw(group, Math.max(240, Math.floor(plot.clientWidth)), all);
  for (const part of chart.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", label);
  plot.replaceChildren(chart);
}

// A folded chart has no width: it is drawn anew when it comes into view.
function redraw(chosen = drawn) {
  drawn = new Set(chosen);
  for (const plot of panels.keys()) {
    if (plot.clientWidth && plot.firstChild) paint(plot);
    else {
      plot.replaceChildren();
      watch.observe(plot);
    }
  }
}

// In a window of another width the panels have another width too.
let drawnAt = innerWidth;
let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  if (innerWidth !== drawnAt) waiting = setTimeout(() => { drawnAt = innerWidth; redraw(); }, 200);
});

// Usual settings come first, and simpler phases.
const inOrder = d3.sort(rows, ({ setting }) => setting.workload, ({ setting }) => setting.unusual,
  ({ setting }) => phases.indexOf(setting.phase));

// The charts of every workload in a section, folded if there are many.
function section(place) {
  const title = place.closest("section").querySelector("h2").textContent;
  const workloads = grouped(inOrder, (row) => row.setting.workload);
  for (const [workload, mine] of workloads) {
    const isOpen = workloads.size < 5 || !place.children.length;
    const charts = drawings(place.dataset.chart, mine, workload, title);
    if (charts.length) place.append(make("details", { open: isOpen ? "" : null },
      make("summary", {}, make("h3", {}, workload)), ...charts));
  }
}

// The panels of a workload, in one grid.
function drawings(name, mine, workload, title) {
  if (name === "winners") return [winners(mine)];
  if (name === "modes") return inGrid(modePanels(mine, title));
  const { free, draw } = CHARTS[name];
  const groups = grouped(mine, (row) => inWords(row.setting, ["workload", ...free]) || workload);
  return inGrid([...groups].map(([label, group]) => {
    const more = name === "speed-up" ? besideWhat(group) : free === SIZES ? sizesIn(group) : "";
    const caption = [label === workload ? "" : label, more].filter(Boolean).join(", ");
    return panel(draw, group, mine, caption, `${title}, ${workload}`);
  }));
}

const inGrid = (figures) => figures.length ? [make("div", { class: "panels" }, ...figures)] : [];

// The baselines of a panel, if there are several in the run.
function besideWhat(group) {
  if (bases.size < 2) return "";
  const mine = new Set(group.map((row) => row.setting.baseline).filter(Boolean));
  const baselines = [...mine].map((strategy) => strategy.known).join(words.or);
  return mine.size ? fill(words.besideBaselines, { baselines }) : "";
}

// Which sizes the smallest and the largest marks of a panel have.
function sizesIn(group) {
  const sizes = d3.sort(group.map(({ setting }) => setting), sizeOf);
  const axes = varying.filter(({ name }) => SIZES.includes(name) && new Set(sizes.map((size) => size[name])).size > 1);
  const [least, most] = [sizes[0], sizes.at(-1)].map((size) => inWords(size, [], axes));
  return axes.length ? fill(words.sizes, { least, most }) : "";
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
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": fill(words.fastestOf, { workload }) },
    make("table", { class: "answers" },
      make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...lines)));
}

function winner(setting) {
  const best = setting?.rows.find(({ lift }) => lift);
  if (!best) return [];
  return [make("a", { href: address(setting) }, sample(best.strategy), best.strategy.name),
    make("small", {}, setting.fastest)];
}

// The strategies that the charts draw: a few of many until others are ticked.
function legend() {
  const measured = strategies.filter((strategy) => rows.some((row) => row.strategy === strategy));
  const isPart = drawn.size < measured.length;
  const box = (strategy) => make("label", {}, make("input", {
    type: "checkbox", checked: drawn.has(strategy) ? "" : null,
    onchange: ({ target }) => redraw([...drawn, strategy].filter((other) => target.checked || other !== strategy)),
  }), sample(strategy), strategy.marked);
  const all = make("button", {
    type: "button",
    onclick: () => { redraw(isPart ? measured : few); legend().querySelector("button").focus(); },
  }, isPart ? fill(words.all, { count: measured.length }) : fill(words.cheapest, { count: few.size }));
  const place = document.getElementById("legend");
  place.classList.toggle("low", measured.length < 12);
  place.querySelector("div").replaceChildren(make("fieldset", {},
    make("legend", {}, words.drawn), ...measured.map(box), measured.length > few.size ? all : null));
  return place;
}
