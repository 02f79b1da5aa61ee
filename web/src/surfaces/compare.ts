/** Compares two networks on one picture with a slider: the network chosen for the page, and another one. */

import { element } from "../elements.js";
import type { Drawing, Model } from "../model/about.js";
import type { Frame, Values } from "../model/frame.js";
import { inWords } from "../numbers.js";
import { legend } from "../views/legend.js";
import { paint } from "../views/paint.js";
import { fit } from "../views/scale.js";
import { comparable, difference } from "./compare-words.js";
import type { Page, Surface } from "./surface.js";

/** Opacity of the map over the picture, which helps to judge classes. */
const OPACITY = { classes: 0.75, others: 1 };

class Compare implements Surface {
  readonly id = "compare";
  readonly title = "Compare";
  #page!: Page;
  #left: Frame | undefined;
  #right: Frame | undefined;
  /** Counts requests, so that outdated results are not shown. */
  #latest = 0;
  readonly #other = element("select", { id: "compare-with" });
  readonly #map = element("select", { id: "compare-map" });
  readonly #mapChoice = element("label", {}, "Map ", this.#map);
  readonly #photo = element("canvas", {});
  readonly #maps = [element("canvas", { className: "left" }), element("canvas", { className: "right" })] as const;
  readonly #names = [element("span", {}), element("span", {})] as const;
  readonly #slider = element("input", { id: "compare-slider", type: "range", min: "0", max: "100", value: "50" });
  readonly #stage = element("div", { className: "stage between" });
  readonly #words = element("p", { id: "compare-words" });
  readonly #legends = element("div", { className: "legends" });

  fits(models: readonly Model[]): boolean {
    return models.length > 1;
  }

  mount(host: HTMLElement, page: Page): void {
    this.#page = page;
    for (const canvas of [this.#photo, ...this.#maps]) canvas.setAttribute("aria-hidden", "true");
    this.#words.setAttribute("role", "status");
    const handle = element("span", { className: "handle" });
    handle.setAttribute("aria-hidden", "true");
    const [left, right] = this.#names;
    const names = [element("div", { className: "name left" }, left), element("div", { className: "name right" }, right)];
    this.#stage.append(this.#photo, ...this.#maps, ...names, this.#slider, handle);
    this.#slider.addEventListener("input", () => this.#slide());
    this.#other.addEventListener("change", () => void this.#predict());
    this.#map.addEventListener("change", () => this.#show());
    const choices = element(
      "div",
      { className: "controls" },
      element("label", {}, "Compared with ", this.#other),
      this.#mapChoice,
    );
    host.append(element("div", { className: "column" }, choices, this.#stage, this.#words, this.#legends));
    this.#slide();
  }

  draw(frame: Frame): void {
    this.#left = frame;
    this.#offer(frame.model);
    void this.#predict();
  }

  leave(): void {
    this.#latest++;
  }

  /** Offers the other networks. */
  #offer(left: Model): void {
    const others = this.#page.models.filter((model) => model !== left);
    const shown = [...this.#other.options].map((option) => option.text);
    if (others.map(({ about }) => about.name).join() === shown.join()) return;
    const chosen = this.#other.selectedOptions[0]?.text;
    this.#other.replaceChildren(...others.map(({ about }) => new Option(about.name, about.name)));
    if (others.some(({ about }) => about.name === chosen)) this.#other.value = chosen ?? "";
  }

  /** Predicts the picture with the other network, and shows both. */
  async #predict(): Promise<void> {
    const left = this.#left;
    const model = this.#page.models.find(({ about }) => about.name === this.#other.value);
    if (!left || !model) return;
    const number = ++this.#latest;
    this.#stage.setAttribute("aria-busy", "true");
    try {
      const right = await this.#page.predict(model, left.picture);
      if (number !== this.#latest) return;
      this.#right = right;
      this.#offerMaps(left, right);
      this.#show();
      const took = [left, right].map((frame) => `${frame.model.about.name} took ${inWords(frame.seconds)} s`);
      this.#page.say(`${took.join(", ")}, on ${right.runtime}`);
    } catch (error) {
      if (number === this.#latest) this.#page.fail(error instanceof Error ? error.message : String(error));
    } finally {
      if (number === this.#latest) this.#stage.removeAttribute("aria-busy");
    }
  }

  /** Offers the maps that both networks predict. */
  #offerMaps(left: Frame, right: Frame): void {
    const both = [...left.values.values()].filter((one) => {
      const other = right.values.get(one.output.name);
      return other !== undefined && comparable(one, other);
    });
    const names = both.map(({ output }) => output.name);
    if (names.join() === [...this.#map.options].map((option) => option.value).join()) return;
    const chosen = this.#map.value;
    this.#map.replaceChildren(...both.map(({ output }) => new Option(output.title, output.name)));
    if (names.includes(chosen)) this.#map.value = chosen;
  }

  #show(): void {
    const [left, right] = [this.#left, this.#right];
    if (!left || !right) return;
    const { picture } = left;
    [this.#photo.width, this.#photo.height] = [picture.width, picture.height];
    this.#photo.getContext("2d")?.drawImage(picture, 0, 0);
    this.#stage.style.setProperty("--ratio", String(picture.width / picture.height));
    const maps = [left, right].map((frame) => frame.values.get(this.#map.value));
    const [a, b] = maps;
    this.#mapChoice.hidden = this.#stage.hidden = !(a && b);
    const scale = a && b && together(a, b);
    const shown = maps.map((one) => (one && scale ? { ...one, output: { ...one.output, drawing: scale } } : one));
    [left, right].forEach((frame, i) => {
      const name = this.#names[i] as HTMLElement;
      name.textContent = name.title = frame.model.about.name;
      const values = shown[i];
      const canvas = this.#maps[i] as HTMLCanvasElement;
      canvas.hidden = !values;
      if (!values) return;
      const pixels = paint(values, frame.model.about.invalid);
      [canvas.width, canvas.height] = [pixels.width, pixels.height];
      canvas.getContext("2d")?.putImageData(pixels, 0, 0);
      canvas.style.opacity = String(values.output.drawing.kind === "classes" ? OPACITY.classes : OPACITY.others);
    });
    this.#explain(shown);
    this.#slider.setAttribute("aria-label", `Between ${left.model.about.name} on the left and ${right.model.about.name} on the right`);
    this.#words.textContent = a && b ? difference(a, b) : "These two networks have no map in common.";
  }

  /** Shows one legend, or one for each network if the map has classes. */
  #explain(maps: readonly (Values | undefined)[]): void {
    const [a, b] = maps;
    this.#legends.replaceChildren();
    if (!a || !b) return;
    const each = a.output.drawing.kind === "classes" ? [a, b] : [a];
    for (const [i, values] of each.entries()) {
      const title = element("h2", { textContent: each.length > 1 ? (this.#names[i]?.textContent ?? "") : a.output.title });
      this.#legends.append(element("div", {}, title, legend(values)));
    }
  }

  #slide(): void {
    this.#stage.style.setProperty("--share", `${this.#slider.value}%`);
    this.#slider.setAttribute("aria-valuetext", `${this.#slider.value} % of the picture is the left network's`);
  }
}

/** Returns a common color scale for two maps that would have separate ones. */
function together(left: Values, right: Values): Drawing | undefined {
  const [one, two] = [left.output.drawing, right.output.drawing];
  if (one.kind !== "scale" || two.kind !== "scale") return undefined;
  const [a, b] = [fit(left, one), fit(right, two)];
  return { ...one, ends: [Math.min(a.low, b.low), Math.max(a.high, b.high)] };
}

export const compare: Surface = new Compare();
