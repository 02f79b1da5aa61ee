/** The camera, whose pictures are predicted one after the other as fast as the network allows. */

import { byId, element } from "../elements.js";
import { toCanvas } from "../images/open.js";
import type { Page, Source } from "./surface.js";

/** Messages for errors of the camera, with the remedy, by the name of the browser's error. */
const FAILURES: Readonly<Record<string, string>> = {
  AbortError: "The camera could not be started: disconnect it, connect it again, and start it again.",
  NotAllowedError: "This page is not allowed to use the camera: allow it in the browser, next to the page's address, and start the camera again.",
  NotFoundError: "There is no camera: connect one, or open a picture.",
  NotReadableError: "The camera cannot be read: close other programs that use it, and start it again.",
  OverconstrainedError: "There is no other camera on this device.",
  SecurityError: "This page is not allowed to use the camera: the settings of the browser or of an administrator forbid it.",
};

const NOT_HERE =
  "This browser allows the camera only on https pages and on pages from this machine: open a photograph, or start the page " +
  "with taskscape app.";

/** Returns the message for a camera that does not start. */
export function failure(error: unknown): string {
  const [name, message] = error instanceof Error ? [error.name, error.message] : ["", String(error)];
  return FAILURES[name] ?? `The camera could not be started: ${message}`;
}

class Camera implements Source {
  readonly id = "camera";
  #page!: Page;
  #stream: MediaStream | undefined;
  /** Counts starts and stops, so that outdated work ends. */
  #latest = 0;
  readonly #video = element("video", { muted: true, playsInline: true });
  readonly #toggle = element("button", { type: "button", id: "camera" });
  readonly #swap = element("button", { type: "button", id: "camera-swap", textContent: "Switch camera" });
  readonly #speed = element("output", { id: "camera-speed" });

  offered(): boolean {
    return true; // without a camera, a click shows why
  }

  mount(host: HTMLElement, page: Page): void {
    this.#page = page;
    this.#speed.setAttribute("aria-live", "off"); // changes with every picture
    this.#toggle.addEventListener("click", () => (this.#stream ? this.stop() : void this.#start({ facingMode: "environment" })));
    this.#swap.addEventListener("click", () => void this.#other());
    host.append(this.#toggle, this.#swap, this.#speed);
    addEventListener("pagehide", () => this.stop());
    this.#show(0);
  }

  stop(): void {
    this.#latest++;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
    this.#show(0);
  }

  async #start(which: MediaTrackConstraints): Promise<void> {
    if (!navigator.mediaDevices?.getUserMedia) return this.#page.fail(NOT_HERE);
    const number = ++this.#latest;
    this.#toggle.disabled = true;
    try {
      const video = { width: { ideal: 1280 }, height: { ideal: 720 }, ...which };
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      if (number !== this.#latest) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.#stream = stream;
      stream.getVideoTracks()[0]?.addEventListener("ended", () => this.#lost(stream));
      this.#video.srcObject = stream;
      await this.#video.play();
      this.#show((await cameras()).length);
      this.#page.fail("");
    } catch (error) {
      if (number !== this.#latest) return;
      this.stop();
      return this.#page.fail(failure(error));
    } finally {
      this.#toggle.disabled = false;
    }
    await this.#predict(number);
  }

  /** Shows one picture after the other until the camera is stopped. */
  async #predict(number: number): Promise<void> {
    let mean = 0;
    for (let count = 0; number === this.#latest; count++) {
      const begin = performance.now();
      await this.#page.show(toCanvas(this.#video, this.#video.videoWidth, this.#video.videoHeight), "Camera");
      await new Promise(requestAnimationFrame); // pauses while the page is hidden
      const seconds = (performance.now() - begin) / 1000;
      mean = count > 1 ? 0.8 * mean + 0.2 * seconds : seconds; // the first one takes longer
      if (number === this.#latest) this.#speed.textContent = `${(1 / mean).toFixed(mean > 0.1 ? 1 : 0)} frames per second`;
    }
  }

  /** Switches to the camera on the other side, or to the next one if cameras have no sides. */
  async #other(): Promise<void> {
    const now = this.#stream?.getVideoTracks()[0]?.getSettings();
    if (!now) return;
    const all = await cameras();
    const next = all[(all.findIndex(({ deviceId }) => deviceId === now.deviceId) + 1) % all.length];
    this.stop(); // phones open only one camera at a time
    // Phones have several cameras on the back, so switch sides instead of cycling.
    if (now.facingMode && all.length > 2) {
      await this.#start({ facingMode: { exact: now.facingMode === "user" ? "environment" : "user" } });
    } else if (next) await this.#start({ deviceId: { exact: next.deviceId } });
  }

  #lost(stream: MediaStream): void {
    if (this.#stream !== stream) return;
    this.stop();
    this.#page.fail("The camera was disconnected: connect it again, or allow this page to use it, and start it again.");
  }

  /** Updates the controls for this number of cameras, or 0 while it is off. */
  #show(count: number): void {
    const on = this.#stream !== undefined;
    this.#toggle.textContent = on ? "Stop camera" : "Camera";
    this.#swap.hidden = !on || count < 2;
    this.#speed.hidden = !on;
    this.#speed.textContent = "";
    // Screen readers should not announce the speed of every picture.
    byId("status", HTMLElement).setAttribute("aria-live", on ? "off" : "polite");
  }
}

async function cameras(): Promise<MediaDeviceInfo[]> {
  return (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
}

export const camera: Source = new Camera();
