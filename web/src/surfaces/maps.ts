/** Shows the picture with a map over it, and the values under the pointer. */

import { element } from "../elements.js";
import type { Frame, Values } from "../model/frame.js";
import { read } from "../read/reading.js";
import { css, legend } from "../views/legend.js";
import { paint } from "../views/paint.js";
import { Pointer } from "./pointer.js";
import type { Page, Surface } from "./surface.js";

const FIRST_OPACITY = 70;

class Maps implements Surface {
  readonly id = "maps";
  readonly title = "Picture";
  #frame: Frame | undefined;
  #chosen = "";
  readonly #photo = element("canvas", { className: "photo" });
  readonly #map = element("canvas", { className: "map" });
  readonly #choices = element("fieldset", { className: "choices" });
  readonly #opacity = element("input", { type: "range", min: "0", max: "100", value: String(FIRST_OPACITY), id: "opacity" });
  readonly #share = element("output", {});
  readonly #readings = element("dl", { className: "readings" });
  readonly #legend = element("div", { className: "legend", id: "legend" });
  readonly #stage = element("div", { className: "stage" }, this.#photo, this.#map);
  readonly #pointer = new Pointer(this.#stage, () => this.#read());

  fits(): boolean {
    return true;
  }

  mount(host: HTMLElement, _page: Page): void {
    this.#photo.setAttribute("aria-hidden", "true");
    this.#map.setAttribute("aria-hidden", "true");
    this.#stage.setAttribute("aria-label", "The picture with the predicted map. The arrow keys move the point whose values are shown.");
    this.#readings.id = "readings";
    this.#readings.setAttribute("aria-live", "polite");
    this.#share.htmlFor.add(this.#opacity.id);
    this.#opacity.addEventListener("input", () => this.#fade());
    const label = element("label", { htmlFor: this.#opacity.id, textContent: "Map over picture" });
    const slider = element("div", { className: "opacity" }, label, this.#opacity, this.#share);
    host.append(
      element("div", { className: "column" }, this.#stage, this.#readings),
      element("div", { className: "column panel" }, this.#choices, slider, this.#legend),
    );
    this.#fade();
  }

  draw(frame: Frame): void {
    this.#frame = frame;
    const { picture } = frame;
    this.#photo.width = picture.width;
    this.#photo.height = picture.height;
    this.#photo.getContext("2d")?.drawImage(picture, 0, 0);
    this.#stage.style.setProperty("--ratio", String(picture.width / picture.height));
    if (!frame.values.has(this.#chosen)) this.#chosen = [...frame.values.keys()][0] ?? "";
    this.#offer(frame);
    this.#show();
    this.#read();
  }

  /** Builds the choice of maps if it has changed, and draws their previews. */
  #offer(frame: Frame): void {
    const names = [...frame.values.keys()];
    const shown = [...this.#choices.querySelectorAll("input")].map((input) => input.value);
    if (names.join() !== shown.join()) {
      this.#choices.replaceChildren(element("legend", { textContent: "Map" }), ...names.map((name) => this.#choice(frame.values.get(name) as Values)));
    }
    for (const [name, values] of frame.values) {
      const small = this.#choices.querySelector<HTMLCanvasElement>(`[data-map="${CSS.escape(name)}"]`);
      if (small) put(small, paint(values, frame.model.about.invalid));
    }
  }

  #choice(values: Values): HTMLElement {
    const { name, title } = values.output;
    const input = element("input", { type: "radio", name: "map", value: name, checked: name === this.#chosen });
    input.addEventListener("change", () => {
      this.#chosen = name;
      this.#show();
    });
    const small = element("canvas", {});
    small.dataset["map"] = name;
    small.setAttribute("aria-hidden", "true");
    return element("label", {}, input, small, element("span", { textContent: title }));
  }

  /** Draws the chosen map and its legend. */
  #show(): void {
    const values = this.#frame?.values.get(this.#chosen);
    if (!this.#frame || !values) return;
    put(this.#map, paint(values, this.#frame.model.about.invalid));
    this.#legend.replaceChildren(element("h2", { textContent: values.output.title }), legend(values));
  }

  #fade(): void {
    this.#map.style.opacity = String(this.#opacity.valueAsNumber / 100);
    this.#share.textContent = `${this.#opacity.value} %`;
  }

  #read(): void {
    if (!this.#frame) return;
    const found = read(this.#frame, this.#pointer.x, this.#pointer.y);
    this.#readings.replaceChildren(
      ...found.map(({ title, text, sure, color }) => {
        const swatch = element("i", {});
        swatch.style.background = css(color);
        return element("div", {}, element("dt", { textContent: title }), element("dd", {}, swatch, text, element("small", { textContent: sure })));
      }),
    );
  }
}

function put(canvas: HTMLCanvasElement, pixels: ImageData): void {
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
}

export const maps: Surface = new Maps();
