/**
 * "Has the manifest changed?" without a round of the register: three of six seats are looked at (DESIGN section 8).
 *
 * A change is chosen by four seats, and four meet any three; so if none of three holds a newer
 * revision than the one known, no stream was opened or fenced before the question was asked.
 */
import { FENCE_QUORUM, MANIFEST_CHECK_QUORUM, REPLICAS, assert, type NodeName } from "@sixfold/model";
import type { ManifestPeeked } from "@sixfold/wire";
import type { Outbox } from "./outbox.ts";

assert(MANIFEST_CHECK_QUORUM + FENCE_QUORUM > REPLICAS, "the seats looked at meet every majority");

interface Check {
  readonly revision: number;
  readonly firstRequest: number;
  readonly same: Set<NodeName>;
  askedAt: number;
}

export class ManifestCheck {
  private readonly out: Outbox;
  private readonly seats: readonly NodeName[];
  private readonly askAgainMs: number;
  private check: Check | undefined;

  constructor(out: Outbox, seats: readonly NodeName[], askAgainMs: number) {
    this.out = out;
    this.seats = seats;
    this.askAgainMs = askAgainMs;
  }

  /** Returns the check's number, which its `manifestChecked` carries: numbers grow, and a newer check ends an older one. */
  start(revision: number, now: number): number {
    const firstRequest = this.out.nextRequest();
    this.check = { revision, firstRequest, same: new Set(), askedAt: now };
    this.ask();
    return firstRequest;
  }

  /** True if the manifest has changed, so that it should be read. */
  onPeeked(from: NodeName, m: ManifestPeeked): boolean {
    const check = this.check;
    if (check === undefined || m.request < check.firstRequest || !this.seats.includes(from)) return false;
    if ((m.value?.revision ?? 0) > check.revision) {
      this.check = undefined;
      this.out.effects.push({ kind: "manifestChecked", check: check.firstRequest, unchanged: false });
      return true;
    }
    check.same.add(from);
    if (check.same.size >= MANIFEST_CHECK_QUORUM) {
      this.check = undefined;
      this.out.effects.push({ kind: "manifestChecked", check: check.firstRequest, unchanged: true });
    }
    return false;
  }

  tick(now: number): void {
    if (this.check === undefined || now - this.check.askedAt < this.askAgainMs) return;
    this.check.askedAt = now;
    this.ask();
  }

  private ask(): void {
    for (const seat of this.seats) {
      if (!this.check!.same.has(seat))
        this.out.send(seat, { type: "manifestPeek", request: this.out.nextRequest() });
    }
  }
}
