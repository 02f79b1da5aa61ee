/** Where pictures come in as files: the button, a drop anywhere on the page, the clipboard. */

import { byId } from "./elements.js";

/** Calls back with every file, and with words where something else was dropped. */
export function takeFiles(opened: (file: File) => void, fail: (text: string) => void): void {
  const input = byId("file", HTMLInputElement);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = ""; // so that the same file can be chosen again
    if (file) opened(file);
  });
  let inside = 0;
  const within = (change: number): void => {
    inside = Math.max(0, inside + change);
    document.body.classList.toggle("dropping", inside > 0);
  };
  document.addEventListener("dragenter", () => within(1));
  document.addEventListener("dragleave", () => within(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    within(-inside);
    const file = event.dataTransfer?.files[0];
    if (file) opened(file);
    else fail("What was dropped is no file: save the picture, and drop its file or open it");
  });
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) opened(file);
  });
}
