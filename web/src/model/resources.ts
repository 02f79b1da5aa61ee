/** Networks and runtimes that the page loads on demand, compressed with xz and encoded in base64.
 *
 * A page of one file contains them in elements `resource-NAME`. Otherwise, they are scripts `NAME.js` beside the page,
 * because a page that was opened from disk can load only scripts.
 */

declare global {
  interface Window {
    taskscapeResources?: Record<string, string>;
  }
}

/** Returns a resource in base64. Throws an error that names a missing file. */
export async function resource(name: string): Promise<string> {
  const inline = document.getElementById(`resource-${name}`);
  if (inline) return inline.textContent ?? "";
  const store = (window.taskscapeResources ??= {});
  if (!(name in store)) await script(`${name}.js`);
  const found = store[name];
  if (found === undefined) throw new Error(`${name}.js does not belong to this page: export the page again`);
  delete store[name]; // frees many megabytes
  return found;
}

function script(source: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = source;
    element.onload = () => {
      element.remove();
      resolve();
    };
    element.onerror = () => {
      element.remove();
      const remedy =
        location.protocol === "file:"
          ? "it must be in the same folder as this page; copy or move the folder as a whole"
          : "restart the server of this page, such as taskscape app, and reload the page";
      reject(new Error(`${source} cannot be loaded: ${remedy}`));
    };
    document.head.append(element);
  });
}
