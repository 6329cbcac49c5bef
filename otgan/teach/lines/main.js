// Wiring: controls to choices, views to frames, and a door for tests and consoles.
const by = id => document.getElementById(id);

function controls() {
  const theta = by("theta"), n = by("n"), width = by("width"), epsilon = by("epsilon"), same = by("same");
  n.max = Math.log2(MOST);
  theta.addEventListener("input", () => { letGo(); change({theta: Number(theta.value)}); });
  n.addEventListener("input", () => change({n: Math.max(1, Math.min(MOST, Math.round(2 ** Number(n.value))))}));
  width.addEventListener("input", () => change({width: Number(width.value)}));
  epsilon.addEventListener("input", () => change({epsilon: Number((10 ** Number(epsilon.value)).toPrecision(3))}));
  same.addEventListener("input", () => change({same: same.checked}));
  by("redraw").addEventListener("click", () => change({redraw: state.redraw + 1}));
  by("restore").addEventListener("click", () => { putBack(); change({at: 0}); });
  by("cost").addEventListener("input", event => change({cost: event.target.value}));
  by("grab").addEventListener("input", event => change({grab: event.target.value}));
  return () => {
    theta.value = state.theta;
    theta.setAttribute("aria-valuetext", round(state.theta, 2));
    by("theta-value").textContent = round(state.theta, 3);
    n.value = Math.log2(state.n);
    n.setAttribute("aria-valuetext", `${state.n} points`);
    by("n-value").textContent = state.n;
    width.value = state.width;
    by("width-value").textContent = round(state.width, 2);
    epsilon.value = Math.log10(state.epsilon);
    epsilon.setAttribute("aria-valuetext", round(state.epsilon));
    by("epsilon-value").textContent = round(state.epsilon);
    same.checked = state.same;
    by("cost").querySelector(`[value=${state.cost}]`).checked = true;
    by("grab").querySelector(`[value=${state.grab}]`).checked = true;
    for (const part of document.querySelectorAll("[data-chapters]")) part.hidden = !part.dataset.chapters.split(" ").includes(String(state.chapter));
    by("epsilon-control").hidden = !(state.chapter === 5 || state.chapter === 3 || (state.chapter === 2 && state.cost !== "emd"));
    by("restore").disabled = state.at === 0 && displaced.every(side => side.size === 0);
    by("arcs-note").textContent = state.n > ARCS && !entropicWanted() ? `${Math.ceil(state.n / Math.ceil(state.n / ARCS))} of ${state.n} arcs are drawn.` : "";
  };
}

// Light, dark, or as the system has it; kept for the next visit where the browser keeps anything.
function themes(button) {
  const names = ["as the system", "light", "dark"];
  const kept = { get value() { try { return localStorage.getItem("theme"); } catch { return null; } },
    set value(name) { try { localStorage.setItem("theme", name); } catch { /* a file may keep nothing */ } } };
  let at = Math.max(0, names.indexOf(kept.value));
  const show = () => {
    if (at === 0) delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = names[at];
    button.textContent = `Colors: ${names[at]}`;
  };
  button.addEventListener("click", () => { at = (at + 1) % names.length; kept.value = names[at]; show(); ask(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ask);
  show();
}

readAddress();
views.push(
  controls(), scene(by("scene")), journey(by("chapter"), by("chapters")), numbers(by("readout")), estimatorPanels(by("curves")),
  race(by("race")), duality(by("duality")), blur(by("blur")), beyond(by("beyond")),
);
themes(by("theme"));
addEventListener("hashchange", () => { readAddress(); ask(); });
new ResizeObserver(ask).observe(document.body);
ask();

window.otgan = {
  state, change, points, settled: () => waiting === 0, frames: () => frames, measured: () => latest,
  measure: {assignment, atoms, batchMinima, binned, closedForm, costs, gaussians, planCost, potential, selfTransport, sinkhorn, sortedPlan, critic, generator},
};
