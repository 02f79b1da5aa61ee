/** The page's side of a worker. */

import type { Answer, Picture, Ran, Request, RuntimeName } from "./protocol.js";

/** Source text of the workers, inserted by the build. */
declare const WORKERS: Readonly<Record<RuntimeName, string>>;

type Unsent<R> = R extends Request ? Omit<R, "id"> : never;

/** Runs networks on one runtime. */
export class Runner {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  #next = 0;
  #started = false;
  #stopped = false;

  constructor(readonly name: RuntimeName) {
    const address = URL.createObjectURL(new Blob([WORKERS[name]], { type: "text/javascript" }));
    this.#worker = new Worker(address);
    this.#worker.onmessage = (event: MessageEvent<Answer>) => {
      this.#waiting.get(event.data.id)?.resolve(event.data);
      this.#waiting.delete(event.data.id);
    };
    this.#worker.onerror = (event) => this.#fail(event.message || "this browser did not start a worker");
  }

  /** Loads a network, and returns the number of threads. `runtime` is called only the first time. */
  async load(key: string, model: string, runtime: () => Promise<string>): Promise<number> {
    const answer = await this.#ask({ kind: "load", key, model, runtime: this.#started ? null : await runtime() });
    this.#started = true;
    if (!("loaded" in answer)) throw new Error("the worker sent an unexpected answer");
    return answer.loaded.threads;
  }

  /** Runs a loaded network. The picture's memory is transferred to the worker. */
  async run(key: string, picture: Picture, height: number, width: number): Promise<Ran> {
    const answer = await this.#ask({ kind: "run", key, picture, height, width }, [picture.data.buffer as ArrayBuffer]);
    if (!("ran" in answer)) throw new Error("the worker sent an unexpected answer");
    return answer.ran;
  }

  /** Ends the worker; pending requests fail. */
  stop(): void {
    this.#stopped = true;
    this.#worker.terminate();
    this.#fail("the worker was stopped");
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  #fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(failure(message));
    this.#waiting.clear();
  }

  async #ask(request: Unsent<Request>, transfer: Transferable[] = []): Promise<Answer> {
    const id = this.#next++;
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id }, transfer);
    });
    if ("error" in answer) throw failure(answer.error);
    return answer;
  }
}

/** Returns an error for a runtime's message, with the remedy. */
function failure(message: string): Error {
  return new Error(
    `This browser could not run the network (${message}): close other pages and try again, with a smaller picture or in another browser`,
  );
}
