// The flame graph's picture: drawing on the canvas, zooming, and moving about by pointer and keyboard.

const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const coarse = matchMedia("(pointer: coarse)");
const stage = $("stage"), canvas = $("canvas"), pen = canvas.getContext("2d"), tip = $("tip");

// ---- drawing ----------------------------------------------------------------------------------------
let colours, row, letter, cursor = 0, hovered = -1, view = { a: 0, b: 1 }, asked = false, hits = null;

function readColours() {
  const style = getComputedStyle(document.documentElement), read = (name) => style.getPropertyValue(name).trim();
  const list = (name, count) => Array.from({ length: count }, (_, at) => read(`--${name}${at}`));
  colours = { own: list("own", 6), library: list("library", 4), up: list("up", 3), down: list("down", 3),
    same: read("--same"), hit: read("--hit"), hitText: read("--pin-text"), mute: read("--mute"),
    soft: read("--soft"), text: read("--frame-text"), mark: read("--link"), card: read("--card") };
  row = coarse.matches ? 26 : 20;
  pen.font = "12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
  letter = pen.measureText("mmmmmmmmmm").width / 10;
}

const shades = data.file.map((file) => {
  let mixed = 7;
  for (const sign of data.files[file]) mixed = (mixed * 31 + sign.codePointAt(0)) >>> 0;
  return mixed;
});

function fill(node) {
  const fn = tree.fn[node];
  if (fn < 0) return colours.same;
  if (hits) return hits[fn] ? colours.hit : colours.mute;
  if (data.compared) {
    const gained = change(tree.total[0][node], tree.total[1][node]), size = Math.abs(gained);
    const step = size >= 0.05 ? 2 : size >= 0.01 ? 1 : size >= 0.0025 ? 0 : -1;
    return step < 0 ? colours.same : (gained > 0 ? colours.up : colours.down)[step];
  }
  const list = data.library[fn] ? colours.library : colours.own;
  return list[shades[fn] % list.length];
}

const rows = () => tree.deepest[state.zoom] + 1;
const rowOf = (depth) => (state.view === "icicle" ? depth : rows() - 1 - depth);
const label = (node) => (tree.fn[node] < 0 ? "all" : data.names[tree.fn[node]]);

function shown(text, room) {
  const fit = Math.floor(room / letter);
  if (fit < 2) return "";
  return text.length <= fit ? text : Array.from(text).slice(0, fit - 1).join("") + "…";
}

function draw() {
  asked = false;
  const width = stage.clientWidth, high = rows() * row, tall = Math.max(stage.clientHeight, 1);
  const sharp = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * sharp)) canvas.width = Math.round(width * sharp);
  if (canvas.height !== Math.round(tall * sharp)) canvas.height = Math.round(tall * sharp);
  canvas.style.width = width + "px";
  canvas.style.height = tall + "px";
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  pen.clearRect(0, 0, width, tall);
  pen.font = "12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
  pen.textBaseline = "middle";
  const scale = width / (view.b - view.a), top = stage.scrollTop;
  const outlines = [];
  for (let at = Math.floor(top / row); at < Math.min(rows(), Math.ceil((top + tall) / row)); at++) {
    const y = at * row - top;
    let last = -1;
    for (const node of tree.levels[rowOf(at)] || []) {  // rowOf is its own inverse
      const from = (tree.left[node] - view.a) * scale, to = (tree.right[node] - view.a) * scale;
      if (to <= 0 || from >= width || to <= from) continue;
      const x = Math.max(from, 0), wide = Math.min(to, width) - x;
      if (wide < 1.5) {
        if (Math.floor(x) === last && !(hits && hits[tree.fn[node]])) continue;
        last = Math.floor(x);
        pen.fillStyle = fill(node);
        pen.fillRect(last, y, 1, row - 1);
        continue;
      }
      pen.fillStyle = fill(node);
      pen.fillRect(x, y, wide - (wide > 4 ? 1 : 0.5), row - 1);
      const words = shown(label(node), wide - 8), hit = hits && hits[tree.fn[node]];
      if (words) {
        pen.fillStyle = hit ? colours.hitText : hits && tree.fn[node] >= 0 ? colours.soft : colours.text;
        pen.save();
        pen.beginPath();
        pen.rect(x, y, wide - 2, row);
        pen.clip();
        pen.fillText(words, x + 4, y + row / 2);
        pen.restore();
      }
      if (tree.fn[node] === state.fn && state.fn >= 0) outlines.push([x, y, wide, 1.5]);
      if (node === cursor && document.activeElement === stage) outlines.push([x, y, wide, 3]);
      else if (node === hovered) outlines.push([x, y, wide, 1.5]);
    }
  }
  pen.strokeStyle = colours.mark;
  for (const [x, y, wide, thick] of outlines) {
    pen.lineWidth = thick;
    pen.strokeRect(x + thick / 2, y + thick / 2, Math.max(wide - thick - 1, 1), row - 1 - thick);
  }
  $("space").style.height = high + "px";
}

function redraw() {
  if (!asked) requestAnimationFrame(draw);
  asked = true;
}

function fit() {
  const most = Math.max(240, Math.round(innerHeight * 0.65));
  stage.style.height = Math.min(rows() * row, most) + 2 + "px";
  $("space").style.height = rows() * row + "px";
}

function reveal(node) {
  const y = rowOf(tree.depth[node]) * row;
  if (y < stage.scrollTop) stage.scrollTop = y;
  if (y + row > stage.scrollTop + stage.clientHeight) stage.scrollTop = y + row - stage.clientHeight;
}

// ---- moving -----------------------------------------------------------------------------------------
function zoom(node) {
  state.zoom = node;
  cursor = node;
  showZoom();
}

function showZoom(at_once) {
  const goal = tree.right[state.zoom] > tree.left[state.zoom]
    ? { a: tree.left[state.zoom], b: tree.right[state.zoom] } : { a: 0, b: 1 };
  fit();
  if (state.view === "flame") stage.scrollTop = rows() * row;
  reveal(state.zoom);
  crumbs();
  remember();
  if (at_once || still.matches) { view = goal; redraw(); return; }
  const from = { ...view }, begin = performance.now(), run = zoom.run = {};
  const step = (now) => {
    if (zoom.run !== run) return;
    const done = Math.min(Math.max((now - begin) / 160, 0), 1), eased = 1 - (1 - done) ** 3;
    view = { a: from.a + (goal.a - from.a) * eased, b: from.b + (goal.b - from.b) * eased };
    draw();
    if (done < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

function crumbs() {
  const path = [];
  for (let node = state.zoom; node >= 0; node = tree.parent[node]) path.push(node);
  path.reverse();
  const kept = path.length > 7 ? [...path.slice(0, 2), null, ...path.slice(-4)] : path;
  $("crumbs").replaceChildren(...kept.map((node) => {
    const item = element("li");
    if (node === null) item.append(element("span", `… ${path.length - 6} more`));
    else if (node === state.zoom) {
      item.append(element("span", shown(label(node), 60 * letter)));
      item.setAttribute("aria-current", "true");
    } else item.append(button(shown(label(node), 40 * letter), () => zoom(node)));
    return item;
  }));
}

function words(node) {
  const fn = tree.fn[node], [own, total] = [tree.own[0][node], tree.total[0][node]];
  const lines = [label(node), fn < 0 ? "" : place(fn, true) + (data.library[fn] ? " · library" : " · own code"),
    `Total ${amount(total)} (${percent(share(total, 0))}) · self ${amount(own)} (${percent(share(own, 0))})`];
  if (data.compared)
    lines.push(`Before ${amount(tree.total[1][node])} (${percent(share(tree.total[1][node], 1))}) · ` +
      `change ${signed(change(total, tree.total[1][node]))} points`);
  return lines.filter(Boolean);
}

function point(node, event) {
  hovered = node;
  tip.hidden = node < 0;
  if (node >= 0) {
    const lines = words(node);
    tip.replaceChildren(...lines.map((line, at) => element(at ? "span" : "strong", line)));
    $("status").textContent = lines.join(" · ");
    const box = tip.getBoundingClientRect(), x = event.clientX + 14, y = event.clientY + 18;
    tip.style.left = Math.max(4, Math.min(x, innerWidth - box.width - 8)) + "px";
    tip.style.top = (y + box.height > innerHeight ? Math.max(4, event.clientY - box.height - 10) : y) + "px";
  }
  redraw();
}

function under(event) {
  const box = stage.getBoundingClientRect();
  const level = tree.levels[rowOf(Math.floor((event.clientY - box.top - 1 + stage.scrollTop) / row))] || [];
  const x = view.a + ((event.clientX - box.left - 1) / stage.clientWidth) * (view.b - view.a);
  let low = 0, high = level.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tree.left[level[middle]] <= x) low = middle + 1; else high = middle;
  }
  for (let at = low - 1; at >= 0; at--) {  // frames without width lie at the same place
    if (tree.right[level[at]] > x) return level[at];
    if (tree.right[level[at]] > tree.left[level[at]]) break;
  }
  return -1;
}

function move(key) {
  const wide = (node) => node !== undefined && tree.right[node] > tree.left[node];
  const level = tree.levels[tree.depth[cursor]], at = level.indexOf(cursor);
  const inner = key === (state.view === "icicle" ? "ArrowDown" : "ArrowUp");
  let next;
  if (key === "ArrowLeft") next = level.slice(0, at).reverse().find(wide);
  else if (key === "ArrowRight") next = level.slice(at + 1).find(wide);
  else if (inner) next = (tree.levels[tree.depth[cursor] + 1] || []).find((n) => tree.parent[n] === cursor && wide(n));
  else if (tree.parent[cursor] >= 0) next = tree.parent[cursor];
  if (next === undefined) return;
  point(-1);
  cursor = next;
  const seen = tree.left[next] < view.b && tree.right[next] > view.a;
  if (!seen || tree.depth[next] >= rows()) { state.zoom = 0; showZoom(); }
  reveal(next);
  $("status").textContent = $("said").textContent = words(next).join(" · ");
  redraw();
}
