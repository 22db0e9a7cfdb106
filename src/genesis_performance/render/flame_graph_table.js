// The flame graph's table, the selected function, the search, and the controls that bring them together.

// ---- the selected function and the table ----------------------------------------------------------
function select(fn) {
  state.fn = fn;
  choose();
  remember();
  redraw();
}

function choose() {
  const fn = state.fn;
  $("chosen").hidden = fn < 0;
  for (const each of document.querySelectorAll("#functions tbody tr"))
    each.classList.toggle("on", Number(each.dataset.fn) === fn);
  if (fn < 0) return;
  $("chosen-name").textContent = data.names[fn];
  $("chosen-place").textContent = `${place(fn, true)} · ${data.library[fn] ? "library" : "own code"} · ` +
    `total ${percent(share(tree.functions[0].total[fn], 0))}, self ${percent(share(tree.functions[0].own[fn], 0))}`;
  const lines = byLine(fn), above = new Map(), below = new Map();
  $("lines").replaceChildren(...[...lines].sort((a, b) => a[0] - b[0]).map(([line, [own, total]]) =>
    cells(line || "not known", amount(own), amount(total), percent(share(total, 0)), share(total, 0))));
  tops((node) => tree.fn[node], (node, mine, top) => {
    const up = tree.fn[tree.parent[node]];
    if (mine === fn && top) above.set(up, (above.get(up) || 0) + tree.total[0][node]);
  });
  tops((node) => (tree.fn[tree.parent[node]] === fn ? tree.fn[node] : -2), (node, mine, top) => {
    if (mine !== -2 && top) below.set(mine, (below.get(mine) || 0) + tree.total[0][node]);
  });
  for (const [id, found] of [["callers", above], ["callees", below]]) {
    const list = [...found].filter((each) => each[1] > 0).sort((a, b) => b[1] - a[1]).slice(0, 20);
    $(id).replaceChildren(...list.map(([other, value]) => cells(
      other < 0 ? "(nothing: it is the root)" : button(data.names[other], () => select(other), "name"),
      percent(share(value, 0)), share(value, 0))));
    if (!list.length) $(id).replaceChildren(cells("Nothing."));
  }
}

// Self and total of each line of a function; a line that calls itself is counted once.
function byLine(fn) {
  const values = data.values[column()], own = new Float64Array(raw.count);
  for (let record = 0; record < records; record++)
    if (!data.side[record] && taken(record)) own[raw.leaf[record]] += values[record];
  const total = own.slice(), lines = new Map(), open = new Map(), path = [];
  for (let node = raw.count - 1; node > 0; node--) total[raw.parent[node]] += total[node];
  for (let node = 1; node < raw.count; node++) {
    while (path.length >= raw.depth[node]) { const left = path.pop(); open.set(left, open.get(left) - 1); }
    const frame = raw.frame[node], times = open.get(frame) || 0;
    open.set(frame, times + 1);
    path.push(frame);
    if (data.function[frame] !== fn || !total[node]) continue;
    const line = lines.get(data.line[frame]) || [0, 0];
    line[0] += own[node];
    if (!times) line[1] += total[node];
    lines.set(data.line[frame], line);
  }
  return lines;
}

// A row; the first cell names it, the others are figures. A last number fills the bar.
function cells(first, ...rest) {
  const made = element("tr"), head = element("th");
  head.scope = "row";
  head.append(first);
  made.append(head);
  for (const each of rest)
    if (typeof each === "number") made.style.setProperty("--share", (100 * Math.min(each, 1)).toFixed(2) + "%");
    else made.append(element("td", each, "n"));
  return made;
}

const COLUMNS = [["name", "Function"], ["place", "Where"], ["library", "Code"], ["own", "Self", 1], ["", "Share", 1],
  ["total", "Total", 1], ["", "Share", 1],
  ...(data.compared ? [["ownChange", "Self, change", 1], ["totalChange", "Total, change", 1]] : [])];
const SORTS = {
  name: (fn) => data.names[fn].toLowerCase(), place: (fn) => place(fn), library: (fn) => data.library[fn],
  own: (fn) => -tree.functions[0].own[fn], total: (fn) => -tree.functions[0].total[fn],
  ownChange: (fn) => -Math.abs(gained("own", fn)), totalChange: (fn) => -Math.abs(gained("total", fn)),
};
const gained = (what, fn) => change(tree.functions[0][what][fn], tree.functions[1][what][fn]);

function table() {
  const [after, before] = tree.functions, back = state.sort.startsWith("-"), by = state.sort.replace("-", "");
  const all = [];
  for (let fn = 0; fn < functions; fn++)
    if ((after.total[fn] || before.total[fn]) && (!hits || hits[fn])) all.push(fn);
  const keys = new Map(all.map((fn) => [fn, SORTS[by](fn)]));
  all.sort((a, b) => {
    const x = keys.get(a), y = keys.get(b);
    return (x < y ? -1 : x > y ? 1 : after.total[b] - after.total[a] || a - b) * (back ? -1 : 1);
  });
  const clock = TITLES[state.clock] || state.clock;
  $("functions-about").textContent = `${Math.min(all.length, state.most).toLocaleString("en")} of ` +
    `${all.length.toLocaleString("en")} functions; values are ${clock}. Self is without what a function called, total ` +
    `with it.` + (data.compared ? " Changes are in percentage points of the whole." : "");
  $("functions").tHead.rows[0].replaceChildren(...COLUMNS.map(([key, words, figures]) => {
    const head = element("th", key ? undefined : words, figures ? "n" : "");
    head.scope = "col";
    if (!key) return head;
    const on = key === by;
    const falling = Boolean(figures) !== back;
    head.setAttribute("aria-sort", !on ? "none" : falling ? "descending" : "ascending");
    const sort = button(words + (on ? (falling ? " ▾" : " ▴") : ""), () => {
      state.sort = on && !back ? "-" + key : key;
      table();
      remember();
      $("functions").tHead.querySelector(`[data-key="${key}"]`).focus();
    });
    sort.dataset.key = key;
    head.append(sort);
    return head;
  }));
  $("functions").tBodies[0].replaceChildren(...all.slice(0, state.most).map((fn) => {
    const made = cells(button(data.names[fn], () => { select(fn); $("chosen").scrollIntoView({ block: "nearest" }); }, "name"));
    made.dataset.fn = fn;
    made.append(element("td", place(fn)), element("td", data.library[fn] ? "library" : "own"));
    for (const value of [after.own[fn], after.total[fn]])
      made.append(element("td", amount(value), "n"), element("td", percent(share(value, 0)), "n"));
    made.style.setProperty("--share", (100 * Math.min(share(after[by === "total" ? "total" : "own"][fn], 0), 1)).toFixed(2) + "%");
    if (data.compared)
      for (const what of ["own", "total"]) {
        const value = gained(what, fn);
        made.append(element("td", signed(value), "n " + (value >= 0.0025 ? "more" : value <= -0.0025 ? "less" : "")));
      }
    return made;
  }));
  if (!all.length) $("functions").tBodies[0].replaceChildren(cells("Nothing."));
  $("more").hidden = all.length <= state.most;
  $("more").textContent = `Show ${Math.min(400, all.length - state.most)} more`;
}

// ---- search -------------------------------------------------------------------------------------------
function search() {
  const wanted = state.q.trim().toLowerCase();
  hits = null;
  $("found").textContent = "";
  if (!wanted) return;
  hits = data.names.map((name, fn) => (name + "\n" + data.files[data.file[fn]]).toLowerCase().includes(wanted));
  let sum = 0;
  tops((node) => hits[tree.fn[node]], (node, hit, top) => { if (hit && top) sum += tree.total[0][node]; });
  const count = tree.functions[0].total.reduce((found, value, fn) => found + (value > 0 && hits[fn] ? 1 : 0), 0);
  $("found").textContent = `“${state.q.trim()}” is in ${count.toLocaleString("en")} ${count === 1 ? "function" : "functions"}` +
    ` that took ${amount(sum)}, ${percent(share(sum, 0))} of what is shown.`;
}

// ---- choices and address ------------------------------------------------------------------------------
const UNNAMED = { op: "(outside any operation)", thread: "(not known)" };
const NAMES = { op: data.operations, thread: data.threads };

const brief = (name) => (name.length > 60 ? Array.from(name).slice(0, 59).join("") + "…" : name);

function offer() {
  $("clock").replaceChildren(...data.types.map((kind) => new Option(TITLES[kind.name] || kind.name, kind.name)));
  const values = data.values[data.start];
  for (const [id, of] of [["op", data.operation], ["thread", data.thread]]) {
    const sums = new Float64Array(NAMES[id].length);
    let whole = 0;
    for (let record = 0; record < records; record++)
      if (!data.side[record]) { sums[of[record]] += values[record]; whole += values[record]; }
    const order = [...sums.keys()].sort((a, b) => sums[b] - sums[a]);
    $(id).replaceChildren(new Option("All", ""), ...order.map((at) =>
      new Option(`${brief(NAMES[id][at]) || UNNAMED[id]} · ${percent(whole ? sums[at] / whole : 0)}`, at)));
    $(id).parentElement.hidden = NAMES[id].length < 2;
  }
  for (const id of ["width", "compare"]) $(id).parentElement.hidden = !data.compared;
}

function explain() {
  const keys = data.compared
    ? [["up2", "takes more than before (from 0.25, 1 and 5 points)"], ["down2", "takes less"], ["same", "changed by less than 0.25 points"]]
    : [["own0", "own code, a shade for each file"], ["library0", "library"]];
  $("legend").replaceChildren(...[...keys, ["hit", "found by the search"]].map(([look, words]) => {
    const item = element("li");
    item.append(element("span", "", "key " + look), words);
    return item;
  }));
}

// Brings everything to the state; `shape` where the tree itself is another.
function refresh(shape) {
  if (shape || !tree) build();
  weigh();
  search();
  table();
  choose();
  for (const id of ["clock", "compare", "q"]) $(id).value = state[id];
  $("width").value = String(state.width);
  for (const id of ["op", "thread"]) $(id).value = state[id] === null ? "" : String(state[id]);
  $("merge").checked = state.merge;
  for (const id of ["flame", "icicle"]) $(id).setAttribute("aria-pressed", String(state.view === id));
  $("graph-name").textContent = data.compared ? "Flame graph, coloured by what changed" : "Flame graph";
  point(-1);
  $("status").textContent = words(state.zoom).join(" · ");
  showZoom(true);
}

// The state stands in the address, so that what one sees can be linked to.
function remember() {
  const kept = new URLSearchParams();
  for (const [key, value] of Object.entries(state))
    if (value !== START[key]) kept.set(key, NAMES[key] ? NAMES[key][value] : key === "fn" ? data.names[value] : value);
  try {
    history.replaceState(null, "", "#" + kept);
  } catch { /* a page within a notebook has no address of its own */ }
}

function restore() {
  const given = new URLSearchParams(location.hash.slice(1)), read = (key, of) => {
    const found = given.has(key) ? of.indexOf(given.get(key)) : -1;
    return found < 0 ? START[key] : found;
  };
  const one = (key, of) => (of.includes(given.get(key)) ? given.get(key) : START[key]);
  Object.assign(state, START, { clock: one("clock", data.types.map((kind) => kind.name)), op: read("op", data.operations),
    thread: read("thread", data.threads), width: data.compared && given.get("width") === "1" ? 1 : 0,
    compare: one("compare", ["share", "amount"]), q: given.get("q") || "", view: one("view", ["flame", "icicle"]),
    merge: given.get("merge") === "true", fn: read("fn", data.names),
    sort: one("sort", COLUMNS.flatMap(([key]) => (key ? [key, "-" + key] : []))),
    most: Math.max(START.most, Number(given.get("most")) || 0) });
  build();
  const zoomed = Number(given.get("zoom"));
  state.zoom = Number.isInteger(zoomed) && zoomed > 0 && zoomed < tree.count ? zoomed : 0;
}

function listen() {
  const choice = (id, read) => $(id).addEventListener("change", () => { state[id] = read($(id)); refresh(id === "merge"); });
  for (const id of ["clock", "compare"]) choice(id, (field) => field.value);
  choice("width", (field) => Number(field.value));
  for (const id of ["op", "thread"]) choice(id, (field) => (field.value === "" ? null : Number(field.value)));
  $("merge").addEventListener("change", () => { state.merge = $("merge").checked; state.zoom = 0; refresh(true); });
  $("q").addEventListener("input", () => { state.q = $("q").value; search(); table(); choose(); remember(); redraw(); });
  for (const id of ["flame", "icicle"]) $(id).addEventListener("click", () => { state.view = id; refresh(); });
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  $("tools").addEventListener("reset", () => setTimeout(() => { Object.assign(state, START); cursor = 0; refresh(true); }));
  $("more").addEventListener("click", () => { state.most += 400; table(); choose(); remember(); });
  stage.addEventListener("pointermove", (event) => point(under(event), event));
  stage.addEventListener("pointerleave", () => point(-1));
  stage.addEventListener("click", (event) => {
    const node = under(event);
    if (node >= 0) { zoom(node); select(tree.fn[node]); }
  });
  stage.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key.startsWith("Arrow")) move(event.key);
    else if (event.key === "Enter" || event.key === " ") { zoom(cursor); select(tree.fn[cursor]); }
    else if (event.key === "Escape" && !tip.hidden) point(-1);
    else if (event.key === "Escape" || event.key === "Backspace") zoom(Math.max(tree.parent[state.zoom], 0));
    else if (event.key === "Home") zoom(0);
    else return;
    event.preventDefault();
  });
  for (const name of ["scroll", "focus", "blur"]) stage.addEventListener(name, redraw);
  new ResizeObserver(redraw).observe(stage);
  addEventListener("resize", () => { fit(); redraw(); });
  addEventListener("hashchange", () => { restore(); refresh(true); });
  for (const media of [dark, coarse]) media.addEventListener("change", () => { readColours(); fit(); redraw(); });
}

if (records) {
  $("graph").hidden = false;
  readColours();
  offer();
  explain();
  restore();
  listen();
  refresh();
}
