/**
 * The trace of a scenario: one line a message, equal messages of one round on one line.
 *
 *     writer-1 -> a1 a2 b1 b2 (c1 c2) append pg0 s1 [3 owned {p7<1:2}] decided 0..2
 *     a1 a2 b1 b2 -> writer-1 ack pg0 s1 scl 3 decided 2
 *
 * A receiver in brackets will get the message only once its link is released. Two equal lines merge if they differ
 * in the receiver, then if they differ in the sender; order is that of the first message of each line.
 */
interface Sent {
  readonly from: string;
  readonly to: string;
  readonly isHeld: boolean;
  readonly text: string;
}

interface Line {
  readonly senders: string[];
  readonly receivers: string;
  readonly text: string;
}

export class Trace {
  private lines: string[] = [];
  private round: Sent[] = [];
  /** What was said in this round: it stands behind the round's messages. */
  private notes: string[] = [];
  /** Says nothing while above 0, but for what clients hear. */
  private muted = 0;

  message(sent: Sent): void {
    if (this.muted === 0) this.round.push(sent);
  }

  /** A line of its own, after the messages of this round. */
  say(line: string): void {
    if (this.muted === 0) this.notes.push(line);
  }

  /** What a client hears is said always: it is what scenarios are about. */
  reply(line: string): void {
    this.notes.push(line);
  }

  quietly(run: () => void): void {
    this.endRound();
    this.muted++;
    try {
      run();
      this.endRound();
    } finally {
      this.muted--;
    }
  }

  /** Everything sent since the last call was sent at one moment. */
  endRound(): void {
    for (const { senders, receivers, text } of merge(this.round))
      this.lines.push(`${senders.join(" ")} -> ${receivers} ${text}`);
    this.lines.push(...this.notes);
    this.round = [];
    this.notes = [];
  }

  take(): string[] {
    this.endRound();
    const lines = this.lines;
    this.lines = [];
    return lines;
  }
}

function merge(round: readonly Sent[]): Line[] {
  const bySender = new Map<string, { from: string; text: string; sure: string[]; held: string[] }>();
  for (const { from, to, isHeld, text } of round) {
    const key = `${from}\n${text}`;
    let group = bySender.get(key);
    if (group === undefined) bySender.set(key, (group = { from, text, sure: [], held: [] }));
    (isHeld ? group.held : group.sure).push(to);
  }
  const lines = new Map<string, Line>();
  for (const { from, text, sure, held } of bySender.values()) {
    const receivers = [...sure, ...(held.length === 0 ? [] : [`(${held.join(" ")})`])].join(" ");
    const key = `${receivers}\n${text}`;
    const line = lines.get(key);
    if (line === undefined) lines.set(key, { senders: [from], receivers, text });
    else line.senders.push(from);
  }
  return [...lines.values()];
}
