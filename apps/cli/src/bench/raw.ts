/**
 * The raw log's own points: appends of one record each, in closed loops, on six segment servers made for this turn.
 *
 * Ports, batching, acknowledgements and syncs are those of a database node; there is no database, and clients are callbacks
 * in the writer's own process. So this is the most that any database on this log could commit on this machine.
 */
import type { RawLog } from "@sixfold/cluster";
import { type Meter, measureWindow, type WindowFigures } from "./measure.ts";

/** About what the log gets from a transaction that changes one row of 100 bytes. */
export const RAW_RECORD_BYTES = 200;
export const RAW_PAGES = 512;

export interface RawOptions {
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly signal: AbortSignal;
}

export function measureRaw(log: RawLog, clients: number, options: RawOptions): Promise<WindowFigures> {
  const window = { ...options, nodes: log.nodes, ownBytesSent: () => log.bytesSent };
  return measureWindow(window, (meter) => appendInLoops(log, clients, meter));
}

/** Resolves when every client has its last answer. */
function appendInLoops(log: RawLog, clients: number, meter: Meter): Promise<void> {
  return new Promise((resolve) => {
    let running = clients;
    const client = (): void => {
      let beganMs = 0;
      const begin = (): void => {
        if (meter.stopped) {
          if (--running === 0) resolve();
          return;
        }
        beganMs = performance.now();
        log.append(done);
      };
      const done = (): void => {
        meter.commit(performance.now() - beganMs);
        begin();
      };
      begin();
    };
    for (let i = 0; i < clients; i++) client();
  });
}
