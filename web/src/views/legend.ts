/** Legends of maps. */

import { element } from "../elements.js";
import type { ClassesDrawing, Color, DirectionsDrawing, ScaleDrawing } from "../model/about.js";
import type { Values } from "../model/frame.js";
import { fit, position, type Fitted } from "./scale.js";

/** Possible ticks of a scale, as in `taskscape.views.depth`. */
const TICKS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** Returns the legend of a map: the classes in it with their shares, or a scale. */
export function legend(values: Values): HTMLElement {
  const { drawing, text } = values.output;
  const host = element("div", { className: "legend-of" });
  if (drawing.kind === "classes") host.append(classes(values, drawing));
  if (drawing.kind === "scale") host.append(scale(values, drawing));
  if (drawing.kind === "directions") host.append(sphere(drawing));
  if (text) host.append(element("p", { textContent: text }));
  return host;
}

export function css(color: Color): string {
  return `rgb(${color.join(" ")})`;
}

/** Returns the number of pixels of each class. */
export function counts(values: Values, classes: number): number[] {
  const found = new Array<number>(classes).fill(0);
  for (const id of values.data) if (id in found) found[id] = (found[id] as number) + 1;
  return found;
}

function classes(values: Values, drawing: ClassesDrawing): HTMLElement {
  const pixels = values.width * values.height;
  const found = counts(values, drawing.names.length)
    .map((count, id) => ({ count, id }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
  const list = element("ul", { className: "chips" });
  for (const { count, id } of found) {
    const swatch = element("i", {});
    swatch.style.background = css(drawing.colors[id] as Color);
    const share = (100 * count) / pixels;
    const item = element("li", {}, swatch, `${drawing.names[id]} `);
    item.append(element("small", { textContent: share < 1 ? "< 1 %" : `${Math.round(share)} %` }));
    list.append(item);
  }
  return list;
}

function scale(values: Values, drawing: ScaleDrawing): HTMLElement {
  const fitted = fit(values, drawing);
  const stops = [...Array(17).keys()].map((i) => css(drawing.colors[Math.round((i / 16) * (drawing.colors.length - 1))] as Color));
  const bar = element("div", { className: "bar" });
  bar.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  const line = element("p", { className: "ticks" });
  for (const [place, words] of drawing.ticks.length ? drawing.ticks : marks(values, drawing, fitted)) {
    const mark = element("span", { textContent: words });
    mark.style.left = `${100 * place}%`;
    mark.dataset["end"] = place === 0 ? "left" : place === 1 ? "right" : "";
    line.append(mark);
  }
  return element("div", { className: "scale" }, bar, line);
}

/** Returns the ticks of a scale that was fitted to a map: its ends, and round numbers between them. */
function marks({ output }: Values, drawing: ScaleDrawing, fitted: Fitted): [place: number, words: string][] {
  const between = TICKS.map((tick): [number, string] => [position(tick * fitted.divisor, fitted, drawing), `${tick}`]);
  const end = (value: number): string => `${rounded(value)} ${output.unit}`.trim();
  return [
    [0, `${end(fitted.low)} or less`],
    ...between.filter(([place]) => place > 0.3 && place < 0.7),
    [1, `${end(fitted.high)} or more`],
  ];
}

/** Returns a number with two significant digits, or none after the point from 99.5, as in `taskscape.views.depth`. */
function rounded(x: number): string {
  return x < 99.5 ? String(Number(x.toPrecision(2))) : x.toFixed(0);
}

/** Draws the colors of a sphere in front of the camera. */
function sphere(drawing: DirectionsDrawing): HTMLElement {
  const side = 112;
  const canvas = element("canvas", { width: side, height: side, className: "sphere" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "The colors of a sphere");
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const x = (((i % side) + 0.5) / side) * 2 - 1;
    const y = ((Math.floor(i / side) + 0.5) / side) * 2 - 1;
    const inside = 1 - x * x - y * y;
    if (inside <= 0) continue;
    [x, y, -Math.sqrt(inside)].forEach((value, c) => {
      image.data[4 * i + c] = ((value * (drawing.signs[c] as number)) / 2 + 0.5) * 255;
    });
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
