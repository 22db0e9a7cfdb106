// The flame graph's data: stacks from #data, the tree that they make, and what a filter leaves of it.
// The three scripts of the page are put into one, this first. No dependency and no build step.
// Every walk is a loop: stacks may be 10,000 frames deep.
"use strict";

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const records = data.thread.length;
const functions = data.names.length;

const START = { clock: data.types.length ? data.types[data.start].name : "", op: null, thread: null, width: 0,
  compare: "share", q: "", view: "flame", merge: false, zoom: 0, fn: -1, most: 50,
  sort: data.compared ? "ownChange" : "own" };
const state = { ...START };

// ---- text -------------------------------------------------------------------------------------------
const TITLES = { cpu: "CPU time", wall: "Wall time", samples: "Samples", alloc: "Allocated" };

function amount(value) {
  const { unit } = data.types[column()], size = Math.abs(value);
  if (unit === "nanoseconds") {
    if (size >= 6e10) return (value / 6e10).toFixed(1) + " min";
    if (size >= 1e9) return (value / 1e9).toFixed(2) + " s";
    if (size >= 1e8 || !value) return (value / 1e6).toFixed(0) + " ms";
    if (size >= 1e7) return (value / 1e6).toFixed(1) + " ms";
    return size >= 1e5 ? (value / 1e6).toFixed(2) + " ms" : (value / 1e3).toFixed(2) + " µs";
  }
  if (unit === "bytes") {
    const step = size < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(size) / 10));
    return (value / 1024 ** step).toFixed(step ? 1 : 0) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][step];
  }
  return value.toLocaleString("en") + (unit === "count" ? "" : " " + unit);
}
const percent = (ratio) => (100 * ratio).toFixed(1) + " %";
const signed = (ratio) => (ratio < 0 ? "−" : "+") + Math.abs(100 * ratio).toFixed(1);
const share = (value, side) => (tree.total[side][0] ? value / tree.total[side][0] : 0);

function place(fn, full) {
  const file = (full ? data.files : data.short)[data.file[fn]], line = data.first[fn];
  return file && line ? file + ":" + line : file || "file not known";
}

function element(name, text, look) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (look) made.className = look;
  return made;
}

function button(text, act, look) {
  const made = element("button", text, look);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

// ---- tree -------------------------------------------------------------------------------------------
// raw: one node for each frame with its line, in the order of a walk. tree: lines of a function merged.
const raw = decode();
let tree;

function decode() {
  const { stacks } = data;
  let count = 1;
  for (let at = 0; at < stacks.length; at += 2 + stacks[at + 1]) count += stacks[at + 1];
  const parent = new Int32Array(count), frame = new Int32Array(count).fill(-1), depth = new Int32Array(count);
  const leaf = new Int32Array(records), path = [0];
  let node = 1;
  for (let at = 0, record = 0; at < stacks.length; record++) {
    const shared = stacks[at], fresh = stacks[at + 1];
    at += 2;
    for (let level = shared; level < shared + fresh; level++, node++) {
      parent[node] = path[level];
      frame[node] = stacks[at++];
      depth[node] = level + 1;
      path[level + 1] = node;
    }
    leaf[record] = path[shared + fresh];
  }
  return { count, parent, frame, depth, leaf };
}

function build() {
  const of = new Int32Array(raw.count), parent = [-1], fn = [-1], depth = [0], child = new Map();
  for (let node = 1; node < raw.count; node++) {
    const above = of[raw.parent[node]], mine = data.function[raw.frame[node]];
    if (state.merge && fn[above] === mine) { of[node] = above; continue; }
    const key = above * functions + mine;
    let found = child.get(key);
    if (found === undefined) {
      found = parent.push(above) - 1;
      fn.push(mine);
      depth.push(depth[above] + 1);
      child.set(key, found);
    }
    of[node] = found;
  }
  tree = { of, count: fn.length, parent: Int32Array.from(parent), fn: Int32Array.from(fn),
    depth: Int32Array.from(depth) };
}

const column = () => Math.max(0, data.types.findIndex((kind) => kind.name === state.clock));
const taken = (record) => (state.op === null || data.operation[record] === state.op)
  && (state.thread === null || data.thread[record] === state.thread);

function weigh() {
  const { count, parent, of } = tree, values = data.values[column()];
  tree.own = [new Float64Array(count), new Float64Array(count)];
  for (let record = 0; record < records; record++)
    if (taken(record)) tree.own[data.side[record]][of[raw.leaf[record]]] += values[record];
  tree.total = tree.own.map((own) => own.slice());
  for (const total of tree.total) for (let node = count - 1; node > 0; node--) total[parent[node]] += total[node];
  lay();
  tree.functions = [0, 1].map((side) => {
    const own = new Float64Array(functions), total = new Float64Array(functions);
    tops((node) => tree.fn[node], (node, fn, top) => {
      own[fn] += tree.own[side][node];
      if (top) total[fn] += tree.total[side][node];
    });
    return { own, total };
  });
  if (!tree.total[0][state.zoom] && !tree.total[1][state.zoom]) state.zoom = 0;
  if (!(cursor < count)) cursor = 0;
}

// Walks the tree and tells for each node whether it is the topmost of its kind on its path.
function tops(kind, visit) {
  const open = new Map(), path = [];
  for (const node of tree.order) {
    const level = tree.depth[node];
    if (!level) continue;
    while (path.length >= level) { const left = path.pop(); open.set(left, open.get(left) - 1); }
    const mine = kind(node), times = open.get(mine) || 0;
    visit(node, mine, !times);
    open.set(mine, times + 1);
    path.push(mine);
  }
}

// Places every node: the heaviest child first, x from 0 to 1. tree.order is the walk, tree.levels the rows.
function lay() {
  const { count, parent, depth, total } = tree, wide = total[state.width];
  const start = new Int32Array(count + 1), kids = new Int32Array(Math.max(count - 1, 0));
  for (let node = 1; node < count; node++) start[parent[node] + 1]++;
  for (let node = 0; node < count; node++) start[node + 1] += start[node];
  const next = start.slice();
  for (let node = 1; node < count; node++) kids[next[parent[node]]++] = node;
  const whole = wide[0] || 1, left = new Float64Array(count), right = new Float64Array(count);
  const levels = [], order = [], open = [0], deepest = new Int32Array(count);
  right[0] = wide[0] ? 1 : 0;
  while (open.length) {
    const node = open.pop(), some = kids.subarray(start[node], start[node + 1]);
    order.push(node);
    (levels[depth[node]] ||= []).push(node);
    if (some.length > 1) some.sort((a, b) => wide[b] - wide[a] || a - b);
    let x = left[node];
    for (const kid of some) {
      left[kid] = x;
      right[kid] = x += wide[kid] / whole;
    }
    for (let at = some.length - 1; at >= 0; at--)
      if (total[0][some[at]] || total[1][some[at]]) open.push(some[at]);
  }
  for (let at = order.length - 1; at >= 0; at--) {
    const node = order[at];
    if (!(wide[node] > 0)) continue;
    deepest[node] = Math.max(deepest[node], depth[node]);
    if (node) deepest[parent[node]] = Math.max(deepest[parent[node]], deepest[node]);
  }
  Object.assign(tree, { left, right, levels, order, deepest });
}

// What a node gained since the other profile, as a share of the whole.
function change(after, before) {
  const whole = tree.total[1][0] || 1;
  return state.compare === "share" ? share(after, 0) - share(before, 1) : (after - before) / whole;
}
