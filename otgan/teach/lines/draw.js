// Pictures: SVG from strings, in units of pixels, so that letters keep their size on any screen.
const signed = value => String(value).replace("-", "−");
const round = (value, digits = 3) => {
  if (value === null || Number.isNaN(value)) return "–";
  if (value === Infinity) return "∞";
  const text = value.toFixed(digits);
  return signed(Number(text) === 0 ? (0).toFixed(digits) : text);
};
const tiny = value => (value === 0 ? "0" : value.toExponential(0).replace(/-/g, "−"));
const power = value => {
  const [digit, exponent] = value.toExponential(0).split("e");
  return `${digit} · 10${[...exponent].map(sign => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? (sign === "-" ? "⁻" : "")).join("")}`;
};
const NAMES = {emd: "EM", js: "JS", kl: "KL(P₀‖P_θ)", kl_reverse: "KL(P_θ‖P₀)", tv: "TV", sinkhorn: "OT_ε", divergence: "S_ε"};
const spelled = name => NAMES[name].replace("(", "<wbr>(").replace(/_(θ|ε)/g, "<sub>$1</sub>");
const spelledSvg = name => NAMES[name].replace(/_(θ|ε)/g, '<tspan class="sub" dy="3">$1</tspan><tspan dy="-3">​</tspan>');

const attributes = given => Object.entries(given).map(([name, value]) =>
  ` ${name}="${typeof value === "number" ? Math.round(value * 100) / 100 : value}"`).join("");
const tag = (name, given, inside = "") => `<${name}${attributes(given)}>${inside}</${name}>`;
const line = (x1, y1, x2, y2, kind) => tag("line", {x1, y1, x2, y2, class: kind});
const dot = (cx, cy, r, kind) => tag("circle", {cx, cy, r, class: kind});
const words = (x, y, inside, kind = "", anchor = "middle") => tag("text", {x, y, class: kind, "text-anchor": anchor}, inside);
const path = (places, kind) =>
  tag("path", {class: kind, d: places.map(([x, y], k) => `${k === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("")});

// An arrow from x by `by` pixels, with a head.
function arrow(x, y, by, kind) {
  if (Math.abs(by) < 2) return dot(x, y, 3, kind);
  const tip = x + by, back = 6 * Math.sign(by);
  return tag("path", {class: `${kind} arrow`, d: `M${x} ${y}H${tip}m${-back} -4l${back} 4l${-back} 4`});
}

function element(name, given = {}, parent = null) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key === "text") made.textContent = value;
    else if (key === "html") made.innerHTML = value;
    else made.setAttribute(key, value);
  }
  if (parent !== null) parent.append(made);
  return made;
}

// Axes in a box as wide as its host: `draw(body)` fills it, where X and Y turn values into pixels.
function axes(host, {title = "", label, height = 170, x, y, xTicks, yTicks, xTitle = "", left = 42}) {
  const figure = element("figure", {}, host);
  if (title) element("figcaption", {html: title}, figure);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  figure.append(svg);
  const box = {svg, figure, left, top: 12, x, y, height, xTicks, yTicks};
  box.low = height - (xTitle ? 36 : 22);
  box.X = value => left + ((value - box.x[0]) / (box.x[1] - box.x[0])) * (box.width - left - 12);
  box.Y = value => box.low - ((Math.min(value, box.y[1] * 1.02) - box.y[0]) / (box.y[1] - box.y[0])) * (box.low - box.top);
  box.describe = text => svg.setAttribute("aria-label", text);
  box.draw = body => {
    box.width = Math.max(180, figure.clientWidth || 320);
    svg.setAttribute("viewBox", `0 0 ${box.width} ${height}`);
    svg.setAttribute("height", height);
    let frame = line(left, box.low, box.width - 8, box.low, "rule");
    for (const [value, text] of box.xTicks) frame += words(box.X(value), box.low + 16, text, "tick");
    for (const [value, text] of box.yTicks) {
      frame += line(left, box.Y(value), box.width - 8, box.Y(value), "grid") + words(left - 6, box.Y(value) + 4, text, "tick", "end");
    }
    if (xTitle) frame += words((left + box.width) / 2, height - 4, xTitle, "tick");
    svg.innerHTML = frame + body();
  };
  return box;
}

// A staircase through (x_k, y_k): each value holds until the next x.
const stairs = places => places.flatMap(([x, y], k) => (k === 0 ? [[x, y]] : [[x, places[k - 1][1]], [x, y]]));

// One legend entry.
const key = (kind, text) => `<span class="key"><i class="${kind}"></i>${text}</span>`;
