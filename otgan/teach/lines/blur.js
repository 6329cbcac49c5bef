// Entropic plans sharpen as ε falls: the plan as a matrix, and both entropic values over ε beside EM.
const EPSILONS = Array.from({length: 13}, (_, k) => 10 ** (-2.1 + 0.2 * k));

function blur(host) {
  const pair = element("div", {class: "panels two"}, host);
  const figure = element("figure", {}, pair);
  element("figcaption", {html: "The plan: from P₀ (rows, by height) to P<sub>θ</sub> (columns)"}, figure);
  const canvas = element("canvas", {id: "plan", role: "img", width: 256, height: 256}, figure);
  const box = axes(pair, {
    title: "Values over ε", label: "", height: 232, xTitle: "ε", x: [-2.1, 0.3], y: [-0.1, 1.2],
    xTicks: [[-2, "0.01"], [-1, "0.1"], [0, "1"]], yTicks: [[0, "0"], [1, "1"]],
  });
  element("p", {class: "legend", html: key("emd", "EM") + key("sinkhorn", "OT<sub>ε</sub>") + key("entropic", "S<sub>ε</sub>, debiased")}, host);
  const facts = element("dl", {class: "facts", id: "soft"}, host);
  const sweep = {key: null, done: [], run: null};

  // One ε after another, a few milliseconds in each frame.
  function advance({x, y}) {
    const key = `${x.join(";")} ${y.join(";")}`, n = x.length, began = performance.now();
    if (sweep.key !== key) Object.assign(sweep, {key, done: [], run: null});
    while (sweep.done.length < EPSILONS.length) {
      const epsilon = EPSILONS[EPSILONS.length - 1 - sweep.done.length];
      sweep.run ??= sinkhorn(costs(x, y), n, n, epsilon);
      if (!sweep.run.work(1e-6, () => performance.now() - began > BUDGET)) break;
      const value = sweep.run.value();
      sweep.done.push([epsilon, value, value - (selfTransport(costs(x, x), n, epsilon, 1e-7) + selfTransport(costs(y, y), n, epsilon, 1e-7)) / 2]);
      sweep.run = null;
      if (performance.now() - began > BUDGET) break;
    }
    if (sweep.done.length < EPSILONS.length) ask();
  }

  function paint({x, y, entropic: {plan}}) {
    const n = x.length, across = byHeight(y), down = byHeight(x);
    canvas.width = canvas.height = n;
    const context = canvas.getContext("2d"), image = context.createImageData(n, n), most = Math.max(...plan);
    const [r, g, b] = getComputedStyle(canvas).color.match(/[\d.]+/g).map(Number);
    down.forEach((i, row) => across.forEach((j, column) => {
      const at = 4 * (row * n + column);
      image.data.set([r, g, b, 255 * Math.sqrt(plan[i * n + j] / most)], at);
    }));
    context.putImageData(image, 0, 0);
    const mass = [...plan].sort((p, q) => q - p);
    let held = 0, cells = 0;
    while (held < 0.9 && cells < mass.length) held += mass[cells++];
    return cells / n;
  }

  return found => {
    if (state.chapter !== 5 || found.entropic === null) return;
    const wide = paint(found);
    if (found.entropic.settled) advance(found);
    const X = epsilon => box.X(Math.log10(epsilon)), Y = value => box.Y(Math.max(-0.1, Math.min(1.2, value)));
    const curves = [...sweep.done].reverse();
    box.draw(() => line(box.left, Y(found.emd), box.width - 8, Y(found.emd), "emd curve")
      + path(curves.map(([epsilon, value]) => [X(epsilon), Y(value)]), "sinkhorn curve")
      + path(curves.map(([epsilon, , value]) => [X(epsilon), Y(value)]), "entropic curve")
      + line(X(state.epsilon), box.top, X(state.epsilon), box.low, "needle")
      + dot(X(state.epsilon), Y(found.entropic.value), 4, "sinkhorn mark") + dot(X(state.epsilon), Y(found.entropic.divergence), 4, "entropic mark"));
    box.describe(`Values over epsilon: EM ${round(found.emd)}, OT ${round(found.entropic.value)}, debiased ${round(found.entropic.divergence)} at ${round(state.epsilon)}`);
    canvas.setAttribute("aria-label", `The plan at epsilon ${round(state.epsilon)}: nine tenths of a point's mass go to ${round(wide, 1)} points`);
    facts.innerHTML = [
      ["EM", round(found.emd, 4)], ["OT<sub>ε</sub>", round(found.entropic.value, 4)], ["S<sub>ε</sub>", round(found.entropic.divergence, 4)],
      ["points that share 90 % of one's mass", round(wide, 1)],
      ["error of the marginals", found.entropic.settled ? "below 10⁻⁸" : "falling …"],
    ].map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("");
  };
}
