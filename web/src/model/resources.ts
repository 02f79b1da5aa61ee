/** Bytes that the page needs beside itself: networks and runtimes, compressed with xz, in base64.
 *
 * A page that is one file holds them in elements `resource-NAME`. Otherwise `NAME.js` stands beside it, a script, because
 * a page that was opened from disk may load scripts and nothing else.
 */

declare global {
  interface Window {
    taskscapeResources?: Record<string, string>;
  }
}

/** Returns a resource in base64. Throws an error that says which file is missing. */
export async function resource(name: string): Promise<string> {
  const inline = document.getElementById(`resource-${name}`);
  if (inline) return inline.textContent ?? "";
  const store = (window.taskscapeResources ??= {});
  if (!(name in store)) await script(`${name}.js`);
  const found = store[name];
  if (found === undefined) throw new Error(`${name}.js does not hold what belongs to this page: export it again`);
  delete store[name]; // it is many megabytes
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
          ? "it must stand in the folder of this page, which is moved as a whole"
          : "start the server of this page again, such as taskscape app, and load the page again";
      reject(new Error(`${source} cannot be loaded: ${remedy}`));
    };
    document.head.append(element);
  });
}
