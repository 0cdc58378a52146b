/** What the SDK needs of its surroundings. */
import type { PlantedBugs } from "@sixfold/model";
import type { Clock, Network } from "@sixfold/ports";

export interface ClientPorts {
  readonly network: Pick<Network, "connect">;
  readonly clock: Clock;
  /** Unpredictable bytes: they make transaction ids unique in the world. */
  randomBytes(n: number): Uint8Array;
  /** Tells which callback is running; without it a handle that is used inside another's callback goes unnoticed. */
  readonly scope?: CallbackScope;
  /** Rules to break on purpose: only for tests that must show that a broken rule is noticed (STYLE 29). */
  readonly planted?: PlantedBugs | undefined;
}

/** What `AsyncLocalStorage` of Node.js is: knows across awaits inside whose callback the code runs. */
export interface CallbackScope {
  run<A, R>(owner: object, body: (argument: A) => R, argument: A): R;
  getStore(): object | undefined;
}

/** Knows nothing. */
export const noScope: CallbackScope = {
  run: (_, body, argument) => body(argument),
  getStore: () => undefined,
};
