/** Shows the scene as a point cloud that can be turned with the pointer, fingers or keys. */

import { element } from "../elements.js";
import type { Model, Output } from "../model/about.js";
import type { Frame, Values } from "../model/frame.js";
import { inWords } from "../numbers.js";
import { paint } from "../views/paint.js";
import { moved, Screen, START, type Pose } from "./cloud-draw.js";
import { handle, type Change } from "./cloud-hands.js";
import { focalOf, pointsOf, within, type Points } from "./cloud-points.js";
import type { Page, Surface } from "./surface.js";

/** Angle of view in degrees if the focal length of the training data is unknown; it is then taken to be the image width. */
const ASSUMED_ANGLE = 53;

/** Maximum number of drawn pixels; with more, turning would not be smooth on a phone. */
const MOST_PIXELS = 800_000;

/** Percentage of the points that is shown by default; farther points are sparse. */
const SHOWN = 93;

/** Names of classes without a distance. */
const WITHOUT_DISTANCE = new Set(["sky"]);

const HELP =
  "Drag or press the arrow keys to turn. Use two fingers or Shift to move, the wheel or + and − to zoom, and Home to reset. " +
  "The angle of view of a picture is not known: change it if walls do not meet at right angles.";

/** Returns whether an output is a distance along the axis of the camera. */
export function isDepth(output: Output): boolean {
  return output.drawing.kind === "scale" && output.drawing.logarithmic && output.channels === 1;
}

class Cloud implements Surface {
  readonly id = "cloud";
  readonly title = "3D";
  #frame: Frame | undefined;
  #depth: Values | undefined;
  #points: Points | undefined;
  #colors = new Uint32Array();
  #screen: Screen | undefined;
  #pose: Pose = { ...START };
  #reachWasChosen = false;
  #angleWasChosen = false;
  #waits = false;
  readonly #canvas = element("canvas", { id: "cloud-canvas", tabIndex: 0 });
  readonly #color = element("select", { id: "cloud-color" });
  readonly #reach = element("input", { id: "cloud-reach", type: "range", min: "0", max: "1", step: "any" });
  readonly #reachWords = element("output", {});
  readonly #angle = element("input", { id: "cloud-angle", type: "range", min: "20", max: "110" });
  readonly #angleWords = element("output", {});
  readonly #reset = element("button", { id: "cloud-reset", type: "button", textContent: "Reset view" });
  readonly #help = element("p", { id: "cloud-help", className: "hint" });

  fits(models: readonly Model[]): boolean {
    return models.some((model) => model.about.outputs.some(isDepth));
  }

  mount(host: HTMLElement, _page: Page): void {
    this.#canvas.setAttribute("role", "application"); // makes screen readers pass on the arrow keys
    this.#canvas.setAttribute("aria-roledescription", "cloud of points");
    this.#canvas.setAttribute("aria-label", "The scene in space");
    this.#canvas.setAttribute("aria-describedby", "cloud-help");
    const controls = element(
      "div",
      { className: "controls" },
      element("label", {}, "Color ", this.#color),
      element("label", {}, "Up to ", this.#reach, this.#reachWords),
      element("label", {}, "Angle of view ", this.#angle, this.#angleWords),
      this.#reset,
    );
    host.append(element("div", { className: "column" }, controls, this.#canvas, this.#help));
    this.#color.addEventListener("change", () => this.#recolor());
    this.#angle.addEventListener("input", () => {
      this.#angleWasChosen = true;
      this.#rebuild();
    });
    this.#reach.addEventListener("input", () => {
      this.#reachWasChosen = true;
      this.#rebuild();
    });
    this.#reset.addEventListener("click", () => this.#turn("reset"));
    handle(this.#canvas, (change) => this.#turn(change));
    new ResizeObserver(() => this.#later()).observe(this.#canvas);
  }

  draw(frame: Frame): void {
    const isOther = this.#frame?.model !== frame.model;
    this.#frame = frame;
    this.#depth = [...frame.values.values()].find(({ output }) => isDepth(output));
    if (isOther) this.#offerColors(frame);
    this.#help.textContent = this.#depth ? HELP : `${frame.model.about.name} does not predict depth: choose another network.`;
    this.#rebuild();
    this.#recolor();
  }

  #offerColors(frame: Frame): void {
    const chosen = this.#color.value;
    const outputs = [...frame.values.values()].map(({ output }) => output);
    this.#color.replaceChildren(new Option("Picture", ""), ...outputs.map(({ title, name }) => new Option(title, name)));
    this.#color.value = outputs.some(({ name }) => name === chosen) ? chosen : "";
  }

  /** Computes the points again. */
  #rebuild(): void {
    this.#points = undefined;
    if (this.#frame && this.#depth) {
      const { width, height, output } = this.#depth;
      const data = distances(this.#depth, this.#frame);
      const near = within(data, 2);
      const most = Math.max(near * 1.01, within(data, 100));
      // The slider is logarithmic, since a meter matters more nearby.
      if (!this.#reachWasChosen) this.#reach.value = String(Math.log(within(data, SHOWN) / near) / Math.log(most / near));
      if (!this.#angleWasChosen) this.#angle.value = String(assumedAngle(this.#frame, width, height));
      const far = near * (most / near) ** this.#reach.valueAsNumber;
      this.#points = pointsOf({ data, width, height }, focalOf(this.#angle.valueAsNumber, width), far * 1.0001);
      this.#reachWords.textContent = `${inWords(far)} ${output.unit}`.trim();
      this.#canvas.style.setProperty("--ratio", String(width / height));
    }
    this.#angleWords.textContent = `${this.#angle.value}°${this.#angleWasChosen ? "" : ", assumed"}`;
    this.#later();
  }

  #recolor(): void {
    if (!this.#frame) return;
    const values = this.#frame.values.get(this.#color.value);
    const image = values ? paint(values, this.#frame.model.about.invalid) : this.#frame.pixels;
    this.#colors = new Uint32Array(image.data.buffer.slice(0));
    this.#later();
  }

  #turn(change: Change | "reset"): void {
    this.#pose = change === "reset" ? { ...START } : moved(this.#pose, change);
    this.#later();
  }

  /** Schedules one drawing before the next repaint. */
  #later(): void {
    if (this.#waits) return;
    this.#waits = true;
    requestAnimationFrame(() => {
      this.#waits = false;
      this.#draw();
    });
  }

  #draw(): void {
    const box = this.#canvas.getBoundingClientRect();
    const context = this.#canvas.getContext("2d");
    if (!box.width || !box.height || !context) return;
    const scale = Math.min(devicePixelRatio, Math.sqrt(MOST_PIXELS / (box.width * box.height)));
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (this.#screen?.width !== width || this.#screen.height !== height) {
      this.#screen = new Screen(width, height);
      [this.#canvas.width, this.#canvas.height] = [width, height];
    }
    if (!this.#points || !this.#depth) return context.clearRect(0, 0, width, height);
    this.#screen.draw(this.#points, this.#depth.width, this.#depth.height, this.#colors, this.#pose);
    context.putImageData(new ImageData(this.#screen.bytes, width, height), 0, 0);
  }
}

/** Returns the angle of view, in degrees, of the camera of the training images, or an assumed one. */
function assumedAngle({ model }: Frame, width: number, height: number): number {
  const { focal } = model.about;
  return focal ? Math.round((Math.atan(width / 2 / (focal * height)) * 360) / Math.PI) : ASSUMED_ANGLE;
}

/** Returns the distances of a map, with NaN for pixels of classes without a distance. */
function distances(depth: Values, frame: Frame): Float32Array {
  const data = Float32Array.from(depth.data);
  for (const { output, data: ids } of frame.values.values()) {
    if (output.drawing.kind !== "classes" || ids.length !== data.length) continue;
    const without = output.drawing.names.map((name) => WITHOUT_DISTANCE.has(name));
    data.forEach((_, i) => {
      if (without[ids[i] as number]) data[i] = NaN;
    });
  }
  return data;
}

export const cloud: Surface = new Cloud();
