// The lines: both can be dragged, and each of their points; the arcs are the optimal plan.
const ARCS = 64;

function scene(host) {
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, given, parent) => {
    const made = document.createElementNS(SVG, name);
    for (const [attribute, value] of Object.entries(given)) made.setAttribute(attribute, value);
    return parent.appendChild(made);
  };
  const svg = make("svg", {id: "lines", role: "group", "aria-label": "The two lines, their points and the optimal plan"}, host);
  const ground = make("g", {"aria-hidden": "true"}, svg), arcs = make("path", {class: "arc"}, svg);
  const HEIGHT = 348, TOP = 26, LOW = 232;
  let width = 600;
  const X = value => width / 2 + (value / 1.45) * (width / 2);
  const Y = value => LOW - value * (LOW - TOP - 12);
  const fromX = pixel => ((pixel - width / 2) / (width / 2)) * 1.45;
  const fromY = pixel => (LOW - pixel) / (LOW - TOP - 12);

  const handles = [0, 1].map(side => {
    const handle = make("g", {
      class: `handle side${side}`, tabindex: 0, role: "slider", "aria-orientation": "horizontal",
      "aria-label": side === 0 ? "The line of P0, its place" : "The line of P theta, its place",
    }, svg);
    make("rect", {class: "grip", x: -16, width: 32, y: Y(1) - 14, height: Y(0) - Y(1) + 28, rx: 8}, handle);
    make("line", {class: "rod", x1: 0, x2: 0, y1: Y(0), y2: Y(1)}, handle);
    const title = make("text", {class: "name", x: 0, y: TOP - 10, "text-anchor": "middle"}, handle);
    title.innerHTML = side === 0 ? "P₀" : 'P<tspan class="sub" dy="3">θ</tspan>';
    return handle;
  });
  const crowd = make("g", {}, svg), labels = make("g", {"aria-hidden": "true"}, svg);
  // One focus for all points: Page Up and Page Down choose, arrows move.
  const chooser = make("circle", {class: "chooser", r: 11, tabindex: 0, role: "slider", "aria-orientation": "vertical"}, svg);
  const chosen = {side: 1, i: 0};
  let dots = [[], []];

  const pointer = event => {
    const box = svg.getBoundingClientRect();
    return [fromX(((event.clientX - box.left) / box.width) * width), fromY(((event.clientY - box.top) / box.height) * HEIGHT)];
  };
  const moveLine = (side, place) => {
    letGo();
    if (side === 1) change({theta: place - state.at});
    else {
      const at = within(-0.5, 0.5)(place);
      change({at, theta: state.theta + state.at - at});
    }
  };
  const movePoint = ({side, i}, place) => {
    const origin = side === 0 ? state.at : state.at + state.theta;
    const dx = within(-1.4, 1.4)(place[0]) - origin, height = within(-0.12, 1.12)(place[1]);
    displaced[side].set(i, [Math.abs(dx) < 0.012 ? 0 : dx, height]);
    change({});
  };
  const drag = (start, move) => {
    svg.setPointerCapture(start.pointerId);
    start.preventDefault();
    const onMove = event => { if (event.pointerId === start.pointerId) move(pointer(event)); };
    const end = event => {
      if (event.pointerId !== start.pointerId) return;
      for (const [name, listener] of [["pointermove", onMove], ["pointerup", end], ["pointercancel", end]]) {
        svg.removeEventListener(name, listener);
      }
      svg.classList.remove("dragging");
    };
    svg.classList.add("dragging");
    svg.addEventListener("pointermove", onMove);
    svg.addEventListener("pointerup", end);
    svg.addEventListener("pointercancel", end);
  };
  // Lines are taken wherever they are near; points only when the reader has chosen to drag points.
  svg.addEventListener("pointerdown", event => {
    if (event.button !== 0 || latest === null) return;
    const place = pointer(event), far = at => Math.hypot(X(at[0]) - X(place[0]), Y(at[1]) - Y(place[1]));
    if (state.grab === "points") {
      let best = {distance: event.pointerType === "touch" ? 26 : 16};
      [latest.x, latest.y].forEach((cloud, side) => cloud.forEach((at, i) => {
        if (far(at) < best.distance || (far(at) === best.distance && side === 1)) best = {distance: far(at), side, i};
      }));
      if (best.side === undefined) return;
      Object.assign(chosen, {side: best.side, i: best.i});
      drag(event, to => movePoint(best, to));
      return;
    }
    const away = [state.at, state.at + state.theta].map(at => Math.abs(X(at) - X(place[0])));
    const side = away[1] <= away[0] ? 1 : 0;
    if (away[side] > 34) return;
    const grip = place[0] - [state.at, state.at + state.theta][side];
    drag(event, to => moveLine(side, to[0] - grip));
  });

  handles.forEach((handle, side) => handle.addEventListener("keydown", event => {
    const place = [state.at, state.at + state.theta][side], step = event.shiftKey ? 0.1 : 0.01;
    const to = {
      ArrowLeft: place - step, ArrowDown: place - step, ArrowRight: place + step, ArrowUp: place + step, PageUp: place + 0.1,
      PageDown: place - 0.1, Home: state.at - 1, End: state.at + 1, 0: side === 1 ? state.at : 0,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    moveLine(side, Math.round(to * 1e6) / 1e6);
  }));
  chooser.addEventListener("keydown", event => {
    const step = event.shiftKey ? 0.1 : 0.02;
    const by = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step]}[event.key];
    const turn = {PageUp: 1, PageDown: -1}[event.key];
    if (by === undefined && turn === undefined) return;
    event.preventDefault();
    if (by !== undefined) {
      const at = [latest.x, latest.y][chosen.side][chosen.i];
      movePoint(chosen, [at[0] + by[0], at[1] + by[1]]);
    } else {
      const next = (chosen.side * state.n + chosen.i + turn + 2 * state.n) % (2 * state.n);
      Object.assign(chosen, {side: Math.floor(next / state.n), i: next % state.n});
      ask();
    }
  });

  function arcsOf({x, y, plan}) {
    const step = Math.max(1, Math.ceil(x.length / ARCS));
    let d = "";
    for (const [k, i] of byHeight(x).entries()) {
      if (k % step !== 0) continue;
      const from = x[i], to = y[plan[i]], lift = Math.min(26, Math.abs(X(to[0]) - X(from[0])) / 5);
      const middle = [(X(from[0]) + X(to[0])) / 2, (Y(from[1]) + Y(to[1])) / 2 - lift];
      d += `M${X(from[0]).toFixed(1)} ${Y(from[1]).toFixed(1)}Q${middle[0].toFixed(1)} ${middle[1].toFixed(1)} ${X(to[0]).toFixed(1)} ${Y(to[1]).toFixed(1)}`;
    }
    return d;
  }
  // An entropic plan joins every pair: of those with much mass some, as dark as their mass.
  function diffuse({x, y, entropic: {plan}}) {
    const n = x.length, shown = [];
    let most = 0;
    for (let k = 0; k < plan.length; k++) most = Math.max(most, plan[k]);
    for (let k = 0; k < plan.length; k++) if (plan[k] > 0.1 * most) shown.push(k);
    const step = Math.ceil(shown.length / 400);
    // Those that are drawn are chosen without regard to rows and columns.
    return shown.filter(k => (Math.imul(k, 0x9e3779b1) >>> 16) % step === 0).map(k => {
      const from = x[Math.floor(k / n)], to = y[k % n];
      return tag("line", {
        x1: X(from[0]), y1: Y(from[1]), x2: X(to[0]), y2: Y(to[1]), class: "arc",
        "stroke-opacity": (0.08 + 0.72 * plan[k] / most) * Math.min(1, 150 / shown.length + 0.25),
      });
    }).join("");
  }
  const spread = make("g", {"aria-hidden": "true"}, svg);
  svg.insertBefore(spread, handles[0]);

  function slopesOf(found) {
    const at = X(state.at + state.theta), unit = width / 9, rows = [];
    const add = (name, slope, kind) => rows.push([name, slope, kind]);
    if (found.entropic !== null) add(state.chapter === 5 ? "divergence" : state.cost, found.entropic.slope, "entropic");
    else add("emd", state.chapter === 1 ? found.slopes.emd : found.slope, "emd");
    add("js", found.slopes.js, "js");
    add("kl", found.slopes.kl, "kl");
    add("tv", found.slopes.tv, "tv");
    return words(at < 120 ? width - 12 : 12, LOW + 51, "downhill:", "tick", at < 120 ? "end" : "start") + rows.map(([name, slope, kind], k) => {
      const y = LOW + 47 + 18 * k, tip = slope === null ? 0 : -slope * unit;
      const glyph = slope === null ? words(at, y + 4, "×", "tick") : arrow(at, y, tip, kind);
      const text = slope === null ? "no slope" : slope === 0 ? "flat" : "";
      // Words stand behind the arrow, or, where the picture ends there, before it.
      const back = tip ? -Math.sign(tip) : at > width / 2 ? 1 : -1, side = (back > 0 ? width - at : at) < 90 ? -back : back;
      return glyph + words(at + 14 * side + (side === back ? 0 : tip), y + 4, `${name === "kl" ? "KL" : spelledSvg(name)} ${text}`, "tick", side > 0 ? "start" : "end");
    }).join("");
  }

  function draw(found) {
    width = Math.max(300, host.clientWidth);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    svg.style.touchAction = state.grab === "points" ? "none" : "pan-y";
    let floor = line(12, LOW + 8, width - 12, LOW + 8, "rule");
    for (const tick of [-1, -0.5, 0, 0.5, 1]) floor += line(X(tick), LOW + 5, X(tick), LOW + 11, "rule") + words(X(tick), LOW + 25, signed(tick), "tick");
    ground.innerHTML = floor;
    arcs.setAttribute("d", found.entropic === null ? arcsOf(found) : "");
    spread.innerHTML = found.entropic === null ? "" : diffuse(found);
    handles.forEach((handle, side) => {
      const place = [state.at, state.at + state.theta][side];
      handle.setAttribute("transform", `translate(${X(place).toFixed(1)})`);
      handle.setAttribute("aria-valuemin", side === 0 ? -0.5 : state.at - LIMIT);
      handle.setAttribute("aria-valuemax", side === 0 ? 0.5 : state.at + LIMIT);
      handle.setAttribute("aria-valuenow", place.toFixed(3));
      handle.setAttribute("aria-valuetext", `at ${round(place, 2)}, theta ${round(state.theta, 2)}`);
    });
    handles[0].querySelector("text").style.visibility = Math.abs(X(state.theta) - X(0)) < 24 ? "hidden" : "visible";
    [found.x, found.y].forEach((cloud, side) => {
      while (dots[side].length < cloud.length) dots[side].push(make("circle", {r: 3.6, class: `point side${side}`}, crowd));
      while (dots[side].length > cloud.length) dots[side].pop().remove();
      cloud.forEach((at, i) => {
        dots[side][i].setAttribute("cx", X(at[0]).toFixed(1));
        dots[side][i].setAttribute("cy", Y(at[1]).toFixed(1));
      });
    });
    chosen.i = Math.min(chosen.i, state.n - 1);
    const at = [found.x, found.y][chosen.side][chosen.i];
    chooser.setAttribute("cx", X(at[0]).toFixed(1));
    chooser.setAttribute("cy", Y(at[1]).toFixed(1));
    chooser.setAttribute("aria-label", `Point ${chosen.i + 1} of ${state.n} on the line of P${chosen.side === 0 ? "0" : " theta"}; Page Up and Page Down choose another`);
    chooser.setAttribute("aria-valuemin", -0.12);
    chooser.setAttribute("aria-valuemax", 1.12);
    chooser.setAttribute("aria-valuenow", at[1].toFixed(3));
    chooser.setAttribute("aria-valuetext", `x ${round(at[0], 2)}, height ${round(at[1], 2)}`);
    labels.innerHTML = slopesOf(found);
  }
  return draw;
}
