/**
 * "Has the manifest changed?" without a round of the register: three of six seats are looked at (DESIGN section 8).
 *
 * A change is chosen by four seats, and four meet any three; so if none of three holds a newer
 * revision than the one known, no stream was opened or fenced before the question was asked.
 *
 * While the seats move, three of each set are looked at. However far they have moved meanwhile, the first step from the sets known
 * here left a newer revision at four of one of them: every value that follows on theirs names one of them, and the seats move on
 * only from a value that was chosen (`ManifestRegister`, rules 2 and 3).
 *
 * Who gets no three answers reads the register once: the seats may be others by now, and a read finds them.
 */
import {
  FENCE_QUORUM,
  MANIFEST_CHECK_QUORUM,
  REPLICAS,
  assert,
  seatSets,
  type Manifest,
  type NodeName,
} from "@sixfold/model";
import type { ManifestPeeked } from "@sixfold/wire";
import type { Outbox } from "./outbox.ts";

assert(MANIFEST_CHECK_QUORUM + FENCE_QUORUM > REPLICAS, "the seats looked at meet every majority");

interface Check {
  readonly revision: number;
  readonly firstRequest: number;
  readonly sets: readonly (readonly NodeName[])[];
  readonly asked: ReadonlySet<NodeName>;
  readonly same: Set<NodeName>;
  askedAt: number;
  reading: boolean;
}

export class ManifestCheck {
  private readonly out: Outbox;
  private readonly firstSeats: readonly NodeName[];
  private readonly askAgainMs: number;
  private check: Check | undefined;

  constructor(out: Outbox, firstSeats: readonly NodeName[], askAgainMs: number) {
    this.out = out;
    this.firstSeats = firstSeats;
    this.askAgainMs = askAgainMs;
  }

  /** Returns the check's number, which its `manifestChecked` carries: numbers grow, and a newer check ends an older one. */
  start(known: Manifest | undefined, now: number): number {
    const sets = known === undefined ? [this.firstSeats] : seatSets(known);
    this.check = {
      revision: known?.revision ?? 0,
      firstRequest: this.out.nextRequest(),
      sets,
      asked: new Set(sets.flat()),
      same: new Set(),
      askedAt: now,
      reading: false,
    };
    this.ask(this.check);
    return this.check.firstRequest;
  }

  /** True if the manifest has changed, so that it should be read. */
  onPeeked(from: NodeName, m: ManifestPeeked): boolean {
    const check = this.check;
    if (check === undefined || m.request < check.firstRequest || !check.asked.has(from)) return false;
    if ((m.value?.revision ?? 0) > check.revision) {
      this.answer(check, false);
      return true;
    }
    check.same.add(from);
    const enough = (set: readonly NodeName[]): boolean =>
      set.filter((seat) => check.same.has(seat)).length >= MANIFEST_CHECK_QUORUM;
    if (check.sets.every(enough)) this.answer(check, true);
    return false;
  }

  /** Returns the check's number, once, if the register should be read for it (`onRead`). */
  tick(now: number): number | undefined {
    const { check } = this;
    if (check === undefined || now - check.askedAt < this.askAgainMs) return undefined;
    check.askedAt = now;
    this.ask(check);
    if (check.reading) return undefined;
    check.reading = true;
    return check.firstRequest;
  }

  /** A read that was begun for this check is as good an answer as three seats. */
  onRead(number: number, m: Manifest | undefined): void {
    const { check } = this;
    if (check?.firstRequest === number) this.answer(check, (m?.revision ?? 0) === check.revision);
  }

  private answer(check: Check, unchanged: boolean): void {
    this.check = undefined;
    this.out.effects.push({ kind: "manifestChecked", check: check.firstRequest, unchanged });
  }

  private ask(check: Check): void {
    for (const seat of check.asked) {
      if (!check.same.has(seat))
        this.out.send(seat, { type: "manifestPeek", request: this.out.nextRequest() });
    }
  }
}
