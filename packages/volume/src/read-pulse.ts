/**
 * How soon each segment server answers page reads, so that reads go where they are answered soon.
 *
 *     an answer in time                   -> good
 *     a late one, or none when its reader
 *     turns to the next segment           -> avoided for a while; then one read finds out
 *
 * Late is later than a hedge: the time of the fastest server, a few times, and no less than the setting.
 */
import type { NodeName } from "@sixfold/model";

/** Weight of a new answer in the average. */
const FRESH = 1 / 8;
/** So many times what the fastest server takes is late. */
const LATE_FACTOR = 4;

interface Pulse {
  /** Average of its answers; infinite before the first. */
  rttMs: number;
  /** Asked last until then, and then by one read first. 0: it is good. */
  avoidUntil: number;
}

export class ReadPulse {
  private readonly hedgeAfterMs: number;
  private readonly avoidMs: number;
  private readonly pulses = new Map<NodeName, Pulse>();
  private lateMs: number;
  /** Servers that became avoided. */
  avoided = 0;

  constructor(hedgeAfterMs: number, avoidMs: number) {
    this.hedgeAfterMs = hedgeAfterMs;
    this.avoidMs = avoidMs;
    this.lateMs = hedgeAfterMs;
  }

  /** An answer that has not come after so long is late: the next segment is asked. */
  get hedgeMs(): number {
    return this.lateMs;
  }

  answered(server: NodeName, ms: number, now: number): void {
    const pulse = this.of(server);
    pulse.rttMs = pulse.rttMs === Infinity ? ms : pulse.rttMs + (ms - pulse.rttMs) * FRESH;
    if (ms < this.lateMs) pulse.avoidUntil = 0;
    else this.late(server, now);
  }

  /** It has not answered in time. */
  late(server: NodeName, now: number): void {
    const pulse = this.of(server);
    if (pulse.avoidUntil === 0) this.avoided++;
    pulse.avoidUntil = now + this.avoidMs;
  }

  isAvoided(server: NodeName, now: number): boolean {
    const until = this.pulses.get(server)?.avoidUntil ?? 0;
    return now < until;
  }

  /** It is asked. If that is to find out whether it is still late, others do not join in. */
  asked(server: NodeName, now: number): void {
    const pulse = this.pulses.get(server);
    if (pulse !== undefined && pulse.avoidUntil > 0 && now >= pulse.avoidUntil)
      pulse.avoidUntil = now + this.avoidMs;
  }

  /** Looks anew at who is fastest. */
  tick(isUp: (server: NodeName) => boolean): void {
    let best = Infinity;
    for (const [server, { rttMs }] of this.pulses) if (rttMs < best && isUp(server)) best = rttMs;
    this.lateMs = best === Infinity ? this.hedgeAfterMs : Math.max(this.hedgeAfterMs, LATE_FACTOR * best);
  }

  /** By server: its average in milliseconds, and whether it is avoided now. */
  standings(): Record<NodeName, { readonly rttMs: number; readonly avoided: boolean }> {
    return Object.fromEntries(
      [...this.pulses].map(([server, { rttMs, avoidUntil }]) => [
        server,
        { rttMs: Math.round(rttMs * 100) / 100, avoided: avoidUntil > 0 },
      ]),
    );
  }

  private of(server: NodeName): Pulse {
    let pulse = this.pulses.get(server);
    if (pulse === undefined) this.pulses.set(server, (pulse = { rttMs: Infinity, avoidUntil: 0 }));
    return pulse;
  }
}
