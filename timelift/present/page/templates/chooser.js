// The chooser: a choice of axes becomes a setting, whose state is in the address. The page of a gate
// or a self-test has none.
const chooser = document.getElementById("chooser");

// The most usual setting, where the page's title holds, of the simplest phase, with most rivals, at
// the greatest length.
const DEFAULT = d3.least(settings, ({ unusual, write, rows: rivals, phase, seq_len: length }) =>
  unusual + (advised.length && !advised.includes(write)) / 2 - rivals.length / 1e3
    + phases.indexOf(phase) / 10 - length / 1e9);

// How far a setting is from what is wanted. A different number is nearer than a different word. The
// axis `kept`, which was chosen last, counts most; on axes that are not wanted usual values are near.
function distance(setting, wanted, kept) {
  return d3.sum(varying, ({ name }) => {
    const [asked, has] = [wanted[name], setting[name]];
    const unusual = (has !== DEFAULT[name]) / 100;
    if (asked === undefined) return unusual;
    if (String(has) === asked || (has === "none" && name !== kept)) return 0;
    const apart = Math.abs(Math.log2(has / asked));
    const far = typeof has === "number" && Number.isFinite(apart) ? 1 + apart : 100;
    return unusual + (name === kept ? 1e6 : name === "workload" ? 1e4 : far);
  });
}

const nearest = (wanted, kept) => d3.least(settings, (setting) => distance(setting, wanted, kept));

function address(setting, strategy) {
  const state = new URLSearchParams(varying.filter((axis) => setting[axis.name] !== "none")
    .map((axis) => [axis.name, setting[axis.name]]));
  if (strategy) state.set("strategy", strategy.name);
  return `#${state}`;
}

function choose(setting, strategy) {
  location.hash = address(setting, strategy);
}

// How the bars are read, and its words.
const reading = document.getElementById("reading");

// The note about the next case that is shown.
let note = "";

const inAddress = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const pickedIn = (wanted) => strategies.find(({ name }) => name === wanted.strategy);

// Show the case of the address. The address of a section changes no case; a table of it unfolds.
function follow() {
  const wanted = inAddress();
  const named = document.getElementById(location.hash.slice(1));
  if (named?.tagName === "DETAILS") named.open = true;
  if (!chooser) return;
  const isCase = ["strategy", ...varying.map((axis) => axis.name)].some((name) => name in wanted);
  if (location.hash && !isCase && chooser.querySelector("select, .lead")) return;
  const setting = nearest(wanted);
  show(setting, pickedIn(wanted), note || missing(setting, wanted));
  note = "";
  const { top } = chooser.getBoundingClientRect();
  if (isCase && (top < 0 || top > innerHeight - 100) && !chooser.contains(document.activeElement))
    chooser.scrollIntoView();
}

function missing(setting, wanted) {
  const other = varying.filter(({ name }) => name in wanted && setting[name] !== "none"
    && String(setting[name]) !== wanted[name]);
  if (!other.length) return "";
  const asked = other.map((axis) => `${axis.title} ${wanted[axis.name]}`).join(", ");
  return fill(words.missing, { asked, shown: inWords(setting) });
}

function controls(setting) {
  return varying.map((axis) => {
    const place = data.axes.indexOf(axis);
    const select = make("select", { id: `axis-${place}`, onchange: () => {
      const asked = Object.fromEntries(varying.map(({ name }, at) =>
        [name, chooser.querySelectorAll("select")[at].value]));
      const measured = nearest(asked, axis.name);
      note = missing(measured, asked);
      choose(measured, pickedIn(inAddress()));
    } });
    axis.values.forEach((value, at) => {
      if (value !== "none")
        select.append(new Option(axis.choices[at], value, false, value === setting[axis.name]));
    });
    return make("label", { for: select.id }, axis.title, select);
  });
}

function show(setting, picked, message) {
  const focused = document.activeElement?.id;
  chooser.querySelector(".controls").replaceChildren(...controls(setting));
  const status = chooser.querySelector(".state");
  status.textContent = message;
  status.hidden = !message;
  const rowOf = (wanted) => setting.rows.find(({ strategy }) => strategy === wanted);
  const row = rowOf(picked) ?? rowOf(setting.write) ?? setting.rows[0];
  chooser.querySelector(".chosen").replaceChildren(
    make("p", { class: "lead" }, setting.lead),
    ...(row ? [bars(setting, row), reading, detail(row)] : []));
  if (focused) document.getElementById(focused)?.focus();
}

// A row a rival: a bar of how many times as fast it is as the base row.
function bars(setting, chosen) {
  const base = setting.rows.find((row) => row.strategy === setting.beside);
  const ratio = (row) => row.times ?? base.time / row.time;
  const most = 1.02 * d3.max(setting.rows, (row) => Math.max(ratio(row), row.times_high ?? 0));
  const share = (value) => 100 * Math.min(1, value / most);
  const lines = setting.rows.map((row) => make("tr", { class: row === chosen ? "picked" : null },
    make("th", { scope: "row" }, picker(row, row === chosen)),
    make("td", { class: "bar" }, track(row, ratio(row), share)),
    make("td", { class: "n ratio" }, row.gain, make("small", {}, row.gain_interval)),
    make("td", { class: "word" }, row.beside),
    make("td", { class: "n call" }, row.call)));
  const head = (text, name) => make("th", { scope: "col", class: name }, text);
  const baseline = base.strategy.known;
  const table = make("table", { class: "bars" }, make("caption", {}, inWords(setting, [], data.axes)),
    make("thead", {}, make("tr", {}, head(words.strategy, ""), make("td", { class: "bar" }),
      head(fill(words.timesAsFast, { baseline }), "ratio"),
      setting.baseline ? head(fill(words.beside, { baseline }), "word") : make("td", { class: "word" }),
      head(words.calls[setting.phase], "call"))),
    make("tbody", {}, ...lines));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words.here }, table);
}

function picker(row, isChosen) {
  const { setting, strategy } = row;
  return make("button", { type: "button", id: `pick-${strategy.place}`, "aria-pressed": isChosen,
    onclick: () => choose(setting, strategy) }, sample(strategy), strategy.marked);
}

// A bar to the ratio, whiskers to the ends of its interval, a line at 1.
function track(row, ratio, share) {
  const { lift, strategy, times_low: low, times_high: high } = row;
  const part = (name, css) => make("span", { class: name, style: css });
  const bar = part(`fill${lift ? "" : " hollow"}${strategy.own ? " own" : ""}`, `width:${share(ratio)}%;--colour:${strategy.colour}`);
  const whisker = row.gain_interval
    ? part("whisker", `left:${share(low)}%;width:${share(high) - share(low)}%`) : null;
  return make("span", { class: "track" }, bar, whisker, part("one", `left:${share(1)}%`));
}

function detail(row) {
  const { strategy, setting } = row;
  const meaning = strategy.meaning.filter(([title]) => !setting.moot.includes(title));
  const facts = [
    ...data.facts.map((term, place) => [term, row.facts[place]]),
    [words.noLift, strategy.differs],
    ...meaning,
  ].filter(([, text]) => text);
  return make("section", { class: "detail", "aria-label": strategy.name },
    make("h3", {}, sample(strategy), strategy.name),
    make("p", { class: "note" }, strategy.title),
    make("dl", {}, ...facts.map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text)))),
    strategy.code ? paste(row) : null);
}

function paste({ setting, strategy }) {
  const { file, call, inner } = setting.inputs.is_plain && strategy.code.plain || strategy.code;
  const nested = fill(call, { inner: setting.inputs.lifts > 1 ? inner : "" });
  const code = make("pre", { tabindex: 0 }, make("code", {}, file + fill(nested, setting.inputs)));
  const button = make("button", { type: "button", class: "copy", onclick: async () => {
    button.textContent = await copied(code) ? words.copied : words.pressToCopy;
    setTimeout(() => { button.textContent = words.copy; }, 3000);
  } }, words.copy);
  return make("details", { class: "paste", open: "" }, make("summary", {}, words.code), button, code);
}

// A page from disk may be kept from the clipboard; then the code is selected instead.
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}
