/** What the SDK needs of its surroundings. */
import type { Clock, Network } from "@sixfold/ports";

export interface ClientPorts {
  readonly network: Pick<Network, "connect">;
  readonly clock: Clock;
  /** Unpredictable bytes: they make transaction ids unique in the world. */
  randomBytes(n: number): Uint8Array;
}
