/**
 * Timing of small pure work: what one operation costs, next to a yardstick that is measured beside it.
 *
 *     round 1:  yardstick  case A  case B  …     round 2:  yardstick  case A  …        the least over the rounds: disturbances only add
 *
 * A machine that is twice as fast, or half asleep, is so for the yardstick as well: figures are kept as multiples of it.
 */

export interface Case {
  readonly name: string;
  /** Does the operation so many times; returns something that depends on it, so that nothing is optimised away. */
  readonly run: (times: number) => unknown;
}

export interface Cost {
  readonly name: string;
  readonly nanoseconds: number;
  /** In units of the yardstick, 1 KiB of FNV-1a. */
  readonly yards: number;
}

const BATCH_NS = 30e6;
/** Until the compiler has done with it. */
const WARM_UP_NS = 200e6;
const bytes = Uint8Array.from({ length: 1024 }, (_, i) => (i * 131) & 255);

export const YARDSTICK: Case = {
  name: "yardstick",
  run: (times) => {
    let h = 0x811c9dc5;
    for (let n = 0; n < times; n++) for (let i = 0; i < 1024; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
    return h;
  },
};

let sink: unknown;

/** Processor time of this process, garbage collection included: what others do on the machine is felt least so. */
function nanoseconds(one: Case, times: number): number {
  const begun = process.cpuUsage();
  sink = one.run(times);
  const { user, system } = process.cpuUsage(begun);
  return ((user + system) * 1000) / times;
}

/** Times that take about `BATCH_NS`, after warming up. */
function batchOf(one: Case): number {
  // The first time prepares what it needs.
  sink = one.run(1);
  let each = 0;
  for (let times = 1, spent = 0; spent < WARM_UP_NS; times *= 2) {
    each = nanoseconds(one, times);
    spent += each * times;
  }
  return Math.max(1, Math.round(BATCH_NS / each));
}

export function measure(cases: readonly Case[], rounds: number): Cost[] {
  const all = [YARDSTICK, ...cases].map((one) => ({ one, times: batchOf(one), took: [] as number[] }));
  for (let round = 0; round < rounds; round++)
    for (const { one, times, took } of all) took.push(nanoseconds(one, times));
  const [yard, ...costs] = all.map(({ one, took }) => ({ name: one.name, nanoseconds: Math.min(...took) }));
  if (sink === all) throw new Error("unreachable: it keeps the results alive");
  return costs.map((cost) => ({ ...cost, yards: cost.nanoseconds / yard!.nanoseconds }));
}
