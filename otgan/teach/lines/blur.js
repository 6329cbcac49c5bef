// Entropic plans sharpen as ε falls: the plan as a matrix, and both entropic values over ε beside EM.
const EPSILONS = Array.from({length: 13}, (_, k) => 10 ** (0.3 - 0.2 * k));

const overEpsilon = sweeper(EPSILONS, (epsilon, y) => ({epsilon, moved: y}));

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
  function paint({x, y, entropic: {plan}}) {
    const n = x.length, across = byHeight(y), down = byHeight(x);
    canvas.width = canvas.height = n;
    const context = canvas.getContext("2d"), image = context.createImageData(n, n), most = plan.reduce((a, b) => Math.max(a, b), 0);
    const [r, g, b] = getComputedStyle(canvas).color.match(/[\d.]+/g).map(Number);
    down.forEach((i, row) => across.forEach((j, column) => {
      const at = 4 * (row * n + column);
      image.data.set([r, g, b, 255 * Math.sqrt(plan[i * n + j] / most)], at);
    }));
    context.putImageData(image, 0, 0);
  }

  return found => {
    if (state.chapter !== 5 || found.entropic === null) return;
    paint(found);
    const curves = found.entropic.settled ? overEpsilon(`${found.x.join(";")} ${found.y.join(";")}`, found.x, found.y) : [];
    const X = epsilon => box.X(Math.log10(epsilon)), Y = value => box.Y(Math.max(-0.1, Math.min(1.2, value)));
    box.draw(() => line(box.left, Y(found.emd), box.width - 8, Y(found.emd), "emd curve")
      + path(curves.map(([epsilon, value]) => [X(epsilon), Y(value)]), "sinkhorn curve")
      + path(curves.map(([epsilon, , value]) => [X(epsilon), Y(value)]), "entropic curve")
      + line(X(state.epsilon), box.top, X(state.epsilon), box.low, "needle")
      + dot(X(state.epsilon), Y(found.entropic.value), 4, "sinkhorn mark") + dot(X(state.epsilon), Y(found.entropic.divergence), 4, "entropic mark"));
    box.describe(`Values over epsilon: EM ${round(found.emd)}, OT ${round(found.entropic.value)}, debiased ${round(found.entropic.divergence)} at ${round(state.epsilon)}`);
    canvas.setAttribute("aria-label", `The plan at epsilon ${round(state.epsilon)}: each point's mass is shared among ${round(found.entropic.shared, 1)}`);
    facts.innerHTML = [
      ["EM", round(found.emd, 4)], ["OT<sub>ε</sub>", round(found.entropic.value, 4)], ["S<sub>ε</sub>", round(found.entropic.divergence, 4)],
      ["points among which one's mass is shared", round(found.entropic.shared, 1)],
      ["error of the marginals", !found.entropic.settled ? "falling …" : found.entropic.error <= TOL ? "below 10⁻⁸" : power(found.entropic.error)],
    ].map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("");
  };
}
