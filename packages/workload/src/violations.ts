/** What clients saw and never should have: the first few in words, the others counted. */
const KEPT = 3;

export class Violations {
  private readonly kept: string[] = [];
  private count = 0;

  /** `violation`: undefined if there is none. */
  note(violation: string | undefined): void {
    if (violation === undefined) return;
    this.count++;
    if (this.kept.length < KEPT) this.kept.push(violation);
  }

  /** All together; undefined if there was none. */
  summary(): string | undefined {
    if (this.count === 0) return undefined;
    const more = this.count - this.kept.length;
    return this.kept.join("; ") + (more > 0 ? `; and ${more} more` : "");
  }
}
