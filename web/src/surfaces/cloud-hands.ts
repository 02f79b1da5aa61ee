/** Converts input from pointers, fingers, the wheel and keys to changes of a pose. */

/** A change of a pose; missing values do not change. */
export interface Change {
  /** Rotation to the right and up, in radians. */
  readonly yaw?: number;
  readonly pitch?: number;
  /** Shift of the scene to the right and down, as shares of the width. */
  readonly x?: number;
  readonly y?: number;
  /** Zoom factor, by which the distance is divided. */
  readonly closer?: number;
}

const TURN = 0.1;
const MOVE = 0.05;
const CLOSER = 1.15;

const KEYS: Readonly<Record<string, Change>> = {
  ArrowLeft: { yaw: -TURN },
  ArrowRight: { yaw: TURN },
  ArrowUp: { pitch: TURN },
  ArrowDown: { pitch: -TURN },
  "+": { closer: CLOSER },
  "=": { closer: CLOSER },
  "-": { closer: 1 / CLOSER },
  "−": { closer: 1 / CLOSER },
};

const KEYS_WITH_SHIFT: Readonly<Record<string, Change>> = {
  ArrowLeft: { x: MOVE },
  ArrowRight: { x: -MOVE },
  ArrowUp: { y: MOVE },
  ArrowDown: { y: -MOVE },
};

/** Calls `change` for all input on an element. */
export function handle(element: HTMLElement, change: (change: Change | "reset") => void): void {
  const fingers = new Map<number, { x: number; y: number }>();
  element.style.touchAction = "none";
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const wanted = event.key === "Home" ? "reset" : ((event.shiftKey && KEYS_WITH_SHIFT[event.key]) || KEYS[event.key]);
    if (!wanted) return;
    event.preventDefault();
    change(wanted);
  });
  element.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    element.setPointerCapture(event.pointerId);
  });
  for (const name of ["pointerup", "pointercancel"] as const) {
    element.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
  element.addEventListener("contextmenu", (event) => event.preventDefault()); // the right button shifts the scene
  element.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const width = element.clientWidth;
    const right = (event.clientX - finger.x) / width;
    const down = (event.clientY - finger.y) / width;
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const before = Math.hypot(finger.x - other.x, finger.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      change({ x: right / 2, y: down / 2, closer: before > 0 && after > 0 ? after / before : 1 });
    } else if (event.shiftKey || (event.buttons & 2) !== 0) {
      change({ x: right, y: down });
    } else {
      change({ yaw: -2.5 * right, pitch: 2.5 * down });
    }
    [finger.x, finger.y] = [event.clientX, event.clientY];
  });
  element.addEventListener(
    "wheel",
    (event) => {
      // The wheel scrolls the page unless the scene has the focus; pinching on a touchpad is reported with Ctrl.
      if (document.activeElement !== element && !event.ctrlKey) return;
      event.preventDefault();
      change({ closer: Math.exp(-Math.max(-100, Math.min(100, event.deltaY)) * (event.ctrlKey ? 0.01 : 0.0015)) });
    },
    { passive: false },
  );
}
