// Draws a cell and reports what the user does to it. Python owns the cell: each step goes to it as a numbered message,
// which it applies once and acknowledges by `data.received`; until then the step is drawn as if it were applied.

const ARCH = {2: 0, 3: 62, 4: 100, 5: 140, 6: 186, 7: 232};
const EVEN = 0.3;
const BOW = 14;
const ARROW = 7;
const GRIP = 13;
const DRAG = 6;
const NARROW = 470;
const PLACES = [0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2, 0.8];
const SAMPLES = Array.from({ length: 25 }, (_, step) => step / 24);

const editors = new WeakMap();

export default function (component) {
  const { parentElement, data, setStateValue } = component;
  if (!editors.has(parentElement)) editors.set(parentElement, new Editor(parentElement));
  const editor = editors.get(parentElement);
  editor.update(data, setStateValue);
  return () => editor.leave();
}

class Editor {
  constructor(parent) {
    this.root = parent.querySelector(".editor");
    this.svg = this.root.querySelector("svg");
    this.spoken = this.root.querySelector(".spoken");
    this.queue = [];
    this.last = 0;
    this.armed = null;
    this.press = null;
    this.watch = new ResizeObserver(() => this.width !== this.root.clientWidth && this.draw());
    this.svg.addEventListener("pointerdown", (event) => this.down(event));
    this.svg.addEventListener("pointermove", (event) => this.move(event));
    this.svg.addEventListener("pointerup", (event) => this.up(event));
    this.svg.addEventListener("pointercancel", () => this.release());
    this.svg.addEventListener("touchmove", (event) => this.hold(event), { passive: false });
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.root.querySelector("tbody").addEventListener("change", (event) => this.changed(event.target));
  }

  update(data, send) {
    if (data.conversation !== this.data?.conversation) Object.assign(this, { queue: [], last: 0, armed: null });
    this.data = data;
    this.send = send;
    this.queue = this.queue.filter(([number]) => number > data.received);
    this.last = Math.max(this.last, data.received);
    this.watch.observe(this.root);
    this.draw();
  }

  leave() {
    this.watch.disconnect();
  }

  report(...step) {
    this.queue.push([++this.last, ...step]);
    this.send("messages", { conversation: this.data.conversation, steps: this.queue });
    this.draw();
  }

  /** The drawing with the steps that Python has not answered yet, as far as they can be foreseen. */
  foreseen() {
    const vertices = this.data.vertices.map((vertex) => ({ ...vertex }));
    const edges = new Map(this.data.edges.map((edge) => [`${edge.x}-${edge.y}`, edge]));
    for (const [, step, ...at] of this.queue) {
      const vertex = vertices[at[0]];
      if (step === "toggle") {
        const [x, y] = at;
        if (y >= vertices.length) continue;
        if (!edges.delete(`${x}-${y}`)) edges.set(`${x}-${y}`, { x, y, channels: null, dropped: false });
      } else if (step === "operation" || step === "cycle") {
        if ((vertex?.operation ?? null) === null) continue;
        vertex.operation = step === "cycle" ? (vertex.operation + 1) % this.data.operations.length : at[1];
      } else break;
    }
    return { vertices, edges: [...edges.values()] };
  }

  // Steps

  toggle(one, other) {
    const [x, y] = one < other ? [one, other] : [other, one];
    const there = this.drawn.edges.some((edge) => edge.x === x && edge.y === y);
    this.armed = null;
    this.report("toggle", x, y);
    this.say(`Edge from ${this.called(x)} to ${this.called(y)} ${there ? "removed" : "drawn"}`);
  }

  cycle(vertex) {
    this.report("cycle", vertex);
    this.say(this.called(vertex));
  }

  arm(vertex) {
    this.armed = vertex;
    this.draw();
    if (vertex !== null) this.say(`Edge from ${this.called(vertex)}: choose the other end`);
  }

  choose(vertex, edge) {
    if (this.armed === vertex) this.arm(null);
    else if (this.armed !== null) this.toggle(this.armed, vertex);
    else if (edge || !this.isInterior(vertex)) this.arm(vertex);
    else this.cycle(vertex);
  }

  isInterior(vertex) {
    return vertex > 0 && vertex < this.drawn.vertices.length - 1;
  }

  called(vertex) {
    const { operation } = this.drawn.vertices[vertex];
    if (operation === null) return vertex ? "the output" : "the input";
    return `vertex ${vertex}, ${this.data.operations[operation].name}`;
  }

  say(text) {
    this.spoken.textContent = text;
  }

  // Pointer

  at(event) {
    const hit = this.svg.getRootNode().elementFromPoint(event.clientX, event.clientY);
    const vertex = hit?.closest?.(".vertex");
    return vertex && this.svg.contains(vertex) ? Number(vertex.dataset.vertex) : null;
  }

  down(event) {
    if (event.button !== 0) return;
    const vertex = event.target.closest(".vertex");
    const edge = event.target.closest(".edge");
    if (vertex) {
      const number = Number(vertex.dataset.vertex);
      this.press = { vertex: number, grip: this.isGrip(number, event), event, far: false };
      this.svg.setPointerCapture(event.pointerId);
    } else if (edge) {
      this.press = { edge: [Number(edge.dataset.x), Number(edge.dataset.y)] };
    } else if (this.armed !== null) this.arm(null);
  }

  /** Whether a pointer is at the ring of a vertex; a finger's event may name a neighbour of what lies under it. */
  isGrip(vertex, event) {
    const { left, top } = this.svg.getBoundingClientRect();
    const { x, y } = this.places[vertex];
    const grip = this.grip(vertex);
    return Math.hypot(event.clientX - left - x - grip.x, event.clientY - top - y - grip.y) <= GRIP;
  }

  move(event) {
    if (this.press?.vertex === undefined) return;
    const { clientX, clientY } = this.press.event;
    if (!this.press.far && Math.hypot(event.clientX - clientX, event.clientY - clientY) < DRAG) return;
    this.press.far = true;
    const target = this.at(event);
    const { left, top } = this.svg.getBoundingClientRect();
    this.rubber(this.press.vertex, { x: event.clientX - left, y: event.clientY - top }, target);
  }

  up(event) {
    const press = this.press;
    this.press = null;
    if (!press) return;
    if (press.edge) {
      if (event.target.closest(".edge")) this.toggle(...press.edge);
      return;
    }
    const target = this.at(event);
    if (!press.far) this.choose(press.vertex, press.grip);
    else if (target !== null && target !== press.vertex) this.toggle(press.vertex, target);
    else this.release();
  }

  /** Keep the page from scrolling under a finger that draws an edge. */
  hold(event) {
    if (this.press?.vertex !== undefined) event.preventDefault();
  }

  release() {
    this.press = null;
    this.draw();
  }

  rubber(from, to, target) {
    const { x, y } = this.places[from];
    this.root.classList.add("drawing");
    this.svg.querySelector(".rubber")?.remove();
    this.svg.prepend(shape("line", { class: "rubber", x1: x, y1: y, x2: to.x, y2: to.y }));
    this.svg.querySelectorAll(".vertex").forEach((vertex, number) => {
      vertex.classList.toggle("armed", number === from);
      vertex.classList.toggle("target", number === target && number !== from);
    });
    this.end(from);
  }

  // Keyboard

  key(event) {
    const focused = event.target.closest(".vertex");
    if (!focused) return;
    const vertex = Number(focused.dataset.vertex);
    const last = this.drawn.vertices.length - 1;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (command && key === "z") this.report(event.shiftKey ? "redo" : "undo");
    else if (command && key === "y") this.report("redo");
    else if (command || event.altKey) return;
    else if (key === "Enter" || key === " ") this.choose(vertex, false);
    else if (key === "e") this.choose(vertex, true);
    else if (key === "Escape" && this.armed !== null) this.arm(null);
    else if (key === "ArrowLeft" || key === "ArrowUp") this.focus(Math.max(vertex - 1, 0));
    else if (key === "ArrowRight" || key === "ArrowDown") this.focus(Math.min(vertex + 1, last));
    else if (key === "Home") this.focus(0);
    else if (key === "End") this.focus(last);
    else if ((key === "Delete" || key === "Backspace") && this.isInterior(vertex)) this.remove(vertex);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  remove(vertex) {
    this.armed = null;
    const name = this.called(vertex);
    this.report("remove", vertex);
    this.say(`Removed ${name}`);
  }

  focus(vertex) {
    this.svg.querySelector(`[data-vertex="${vertex}"]`)?.focus();
  }

  // Matrix

  changed(control) {
    const vertex = Number(control.dataset.x);
    if (control.type === "checkbox") this.toggle(vertex, Number(control.dataset.y));
    else this.report("operation", vertex, control.selectedIndex);
  }

  /** Bring the matrix up to date in place, so that the focus stays where it is. */
  fill() {
    const { vertices, edges } = this.drawn;
    const body = this.root.querySelector("tbody");
    if (body.children.length !== vertices.length - 1) this.lay(vertices.length);
    for (const control of body.querySelectorAll("select, input")) {
      const [x, y] = [Number(control.dataset.x), Number(control.dataset.y)];
      if (control.type === "checkbox") control.checked = edges.some((edge) => edge.x === x && edge.y === y);
      else control.selectedIndex = vertices[x].operation;
    }
  }

  lay(count) {
    const name = (vertex) => (vertex === 0 ? "in" : vertex === count - 1 ? "out" : String(vertex));
    const numbers = Array.from({ length: count }, (_, vertex) => vertex);
    const head = numbers.slice(1).map((y) => element("th", { scope: "col" }, name(y)));
    this.root.querySelector("thead").replaceChildren(element("tr", {}, element("td"), element("td"), ...head));
    const rows = numbers.slice(0, -1).map((x) => {
      const options = this.data.operations.map((operation) => element("option", {}, operation.name));
      const select = element("select", { "data-x": x, "aria-label": `Operation of vertex ${x}` }, ...options);
      const boxes = numbers.slice(1).map((y) => {
        if (y <= x) return element("td");
        const called = `Edge from ${name(x)} to ${name(y)}`;
        const box = element("input", { type: "checkbox", "data-x": x, "data-y": y, "aria-label": called });
        return element("td", {}, element("label", {}, box));
      });
      return element("tr", {}, element("th", { scope: "row" }, name(x)), element("td", {}, x ? select : ""), ...boxes);
    });
    this.root.querySelector("tbody").replaceChildren(...rows);
  }

  // Picture

  draw() {
    const active = this.svg.getRootNode().activeElement?.closest?.(".vertex");
    const focused = active && this.svg.contains(active) ? Number(active.dataset.vertex) : null;
    this.drawn = this.foreseen();
    if (this.armed !== null && this.armed >= this.drawn.vertices.length) this.armed = null;
    this.place();
    const edges = this.drawn.edges.map((edge) => ({ ...edge, curve: this.curve(edge.x, edge.y) }));
    this.svg.replaceChildren(
      ...edges.map((edge) => this.edge(edge, edges)),
      ...this.drawn.vertices.map((vertex, number) => this.vertex(vertex, number)),
    );
    this.root.classList.toggle("drawing", this.armed !== null);
    if (this.armed !== null) this.end(this.armed);
    this.fill();
    if (focused !== null) this.focus(Math.min(focused, this.drawn.vertices.length - 1));
  }

  end(from) {
    this.root.querySelector(".end b").textContent = this.called(from);
  }

  /** Vertices stand on an arch, so that the line between any two passes no third; their number alone says where. */
  place() {
    this.width = this.root.clientWidth;
    const count = this.drawn.vertices.length;
    const narrow = this.width < NARROW;
    this.box = narrow ? { width: 40, height: 30 } : { width: 52, height: 34 };
    const half = Math.min(Math.max(this.width, 240) / 2 - this.box.width / 2 - 12, 300);
    const height = ARCH[count];
    const top = this.box.height / 2 + 22;
    this.places = this.drawn.vertices.map((_, number) => {
      const share = number / (count - 1);
      const across = (1 - EVEN) * Math.cos(Math.PI * share) + EVEN * (1 - 2 * share);
      return { x: this.width / 2 - half * across, y: top + height * (1 - Math.sin(Math.PI * share)) };
    });
    this.svg.setAttribute("height", top + height + this.box.height / 2 + 6);
  }

  curve(x, y) {
    const [from, to] = [this.places[x], this.places[y]];
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    const base = x === 0 && y === this.places.length - 1;
    const bow = y - x > 1 && !base ? BOW * 2 : 0;
    const control = {
      x: middle.x - (bow * (to.y - from.y)) / length,
      y: middle.y + (bow * (to.x - from.x)) / length,
    };
    const start = this.border(from, control, 0);
    const end = this.border(to, control, 2);
    const angle = Math.atan2(end.y - control.y, end.x - control.x);
    return { start, control, end, angle };
  }

  /** Where the line from the middle of a box towards a point leaves the box, and a gap further. */
  border(middle, towards, gap) {
    const [dx, dy] = [towards.x - middle.x, towards.y - middle.y];
    const length = Math.hypot(dx, dy);
    const share = Math.min(this.box.width / 2 / Math.abs(dx || 1e-9), this.box.height / 2 / Math.abs(dy || 1e-9));
    return { x: middle.x + dx * (share + gap / length), y: middle.y + dy * (share + gap / length) };
  }

  edge(edge, all) {
    const { x, y, channels, dropped, curve } = edge;
    const { start, control, end, angle } = curve;
    const tail = { x: end.x - (ARROW - 1) * Math.cos(angle), y: end.y - (ARROW - 1) * Math.sin(angle) };
    const path = `M${start.x} ${start.y}Q${control.x} ${control.y} ${tail.x} ${tail.y}`;
    const classes = ["edge", x === 0 ? "projected" : "", dropped ? "dropped" : ""].join(" ");
    const group = shape("g", { class: classes, "data-x": x, "data-y": y });
    const brings = channels === null ? "" : `, ${channels} channels`;
    group.append(
      shape("title", {}, `${this.called(x)} → ${this.called(y)}${brings}: click to remove`),
      shape("path", { class: "hit", d: path }),
      shape("path", { class: "line", d: path }),
      shape("path", {
        class: "arrow",
        d: `M0 0l${-ARROW} ${-ARROW / 2}v${ARROW}z`,
        transform: `translate(${end.x} ${end.y}) rotate(${(angle * 180) / Math.PI})`,
      }),
    );
    const free = this.free(edge, all);
    edge.label = channels !== null && free;
    if (edge.label) group.append(shape("text", { class: "channels", x: free.x, y: free.y + 3.5 }, channels));
    const cross = free || along(curve, 0.5);
    group.append(shape("text", { class: "remove", x: cross.x, y: cross.y + 5.5 }, "×"));
    return group;
  }

  /** The first place on an edge that is clear of boxes, other edges and the numbers placed so far. */
  free(edge, all) {
    const clear = (place) =>
      this.places.every(
        ({ x, y }) =>
          Math.abs(x - place.x) > this.box.width / 2 + 12 || Math.abs(y - place.y) > this.box.height / 2 + 8,
      ) &&
      all.every(
        (other) =>
          other === edge ||
          (SAMPLES.every((t) => apart(along(other.curve, t), place, 13)) &&
            (!other.label || apart(other.label, place, 22))),
      );
    return PLACES.map((t) => along(edge.curve, t)).find(clear);
  }

  vertex(vertex, number) {
    const { width, height } = this.box;
    const place = this.places[number];
    const operation = vertex.operation === null ? null : this.data.operations[vertex.operation];
    const kind = operation ? "interior" : "terminal";
    const marks = [number === this.armed ? "armed" : "", vertex.dropped ? "dropped" : ""].join(" ");
    const group = shape("g", {
      class: `vertex ${kind} ${marks}`,
      "data-vertex": number,
      tabindex: 0,
      role: "button",
      "aria-label": this.label(vertex, number),
      transform: `translate(${place.x} ${place.y})`,
    });
    const box = { x: -width / 2, y: -height / 2, width, height, rx: operation ? height / 4 : height / 2 };
    const ring = { x: box.x - 4, y: box.y - 4, width: width + 8, height: height + 8, rx: box.rx + 4 };
    const out = this.outward(number);
    const grip = this.grip(number);
    group.append(
      shape("rect", { class: "ring", ...ring }),
      shape("rect", { class: "box", ...box, ...(operation ? { fill: operation.fill } : {}) }),
      shape("text", { class: "name", y: 5, fill: operation?.ink }, operation?.label ?? (number ? "out" : "in")),
    );
    if (operation)
      group.append(shape("text", { class: "number", x: box.x + 4, y: box.y + 10, fill: operation.ink }, number));
    group.append(
      shape("circle", { class: "grip", cx: grip.x, cy: grip.y, r: GRIP }),
      shape("circle", { class: "port", cx: out.x, cy: out.y, r: 4.5 }),
    );
    if (vertex.dropped) {
      const anchor = { [-1]: "end", 0: "middle", 1: "start" }[Math.sign(out.x)];
      const above = -height / 2 - (out.x ? 6 : 11);
      group.append(shape("text", { class: "word", y: above, "text-anchor": anchor }, vertex.dropped));
    }
    return group;
  }

  /** The point of a box's border that looks out of the arch, where no edge ends. */
  outward(number) {
    const turn = (180 * number) / (this.places.length - 1);
    const { width, height } = this.box;
    if (turn < 59) return { x: -width / 2, y: 0 };
    if (turn > 121) return { x: width / 2, y: 0 };
    return { x: 0, y: -height / 2 };
  }

  grip(number) {
    const { x, y } = this.outward(number);
    return { x: x + 8 * Math.sign(x), y: y + 8 * Math.sign(y) };
  }

  label(vertex, number) {
    const end = (other) => (this.drawn.vertices[other].operation === null ? this.called(other).slice(4) : other);
    const from = this.drawn.edges.filter(({ y }) => y === number).map(({ x }) => end(x));
    const to = this.drawn.edges.filter(({ x }) => x === number).map(({ y }) => end(y));
    const name = this.called(number).replace(/^the /, "");
    const parts = [name[0].toUpperCase() + name.slice(1)];
    if (from.length) parts.push(`takes from ${from.join(", ")}`);
    if (to.length) parts.push(`feeds ${to.join(", ")}`);
    if (vertex.dropped) parts.push(`dropped by pruning: ${vertex.dropped}`);
    return parts.join("; ");
  }
}

function along({ start, control, end }, t) {
  const mix = (axis) => (1 - t) ** 2 * start[axis] + 2 * t * (1 - t) * control[axis] + t ** 2 * end[axis];
  return { x: mix("x"), y: mix("y") };
}

function apart(one, other, distance) {
  return Math.hypot(one.x - other.x, one.y - other.y) > distance;
}

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function shape(name, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(key, value);
  node.append(...children);
  return node;
}
