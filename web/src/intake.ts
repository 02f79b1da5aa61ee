/** Takes picture files from the button, from drops anywhere on the page, and from the clipboard. */

import { byId } from "./elements.js";

/** Calls `opened` with every file, and `fail` with a message if something else was dropped. */
export function takeFiles(opened: (file: File) => void, fail: (text: string) => void): void {
  const input = byId("file", HTMLInputElement);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = ""; // allows choosing the same file again
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
    else fail("The dropped item is not a file: save the picture, then open or drop its file");
  });
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) opened(file);
  });
}
