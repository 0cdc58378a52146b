/** Clients that move money between four accounts, each move with a receipt, and what must hold of it after all faults. */
import type { Random } from "@sixfold/model";
import type { ScriptTransaction } from "../scenario/script-client.ts";
import type { World } from "../scenario/world.ts";
import { wrongWith } from "./history.ts";
import { put, read, until, type Rows } from "./play.ts";

const NAMES = ["alice", "bob", "carol", "dave"];
const EACH = 100;
const FILLER_BYTES = 1200;
const RECEIPT_BYTES = 800;

interface Move {
  readonly tx: ScriptTransaction;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  readonly receipt: string;
}

export class Accounts {
  /** What the accounts begin with. */
  static readonly opening: Rows = Object.fromEntries(NAMES.map((name) => [name, EACH]));
  /** Rows between the accounts, so that each is on a page of its own. */
  static readonly filling: Rows = Object.fromEntries(
    NAMES.flatMap((name) => [1, 2, 3].map((i) => [`${name}-${i}`, "-".repeat(FILLER_BYTES)])),
  );

  private readonly world: World;
  /** Some moves are serializable and look at the other accounts, and receipts are long. */
  private readonly looks: boolean;
  private readonly moves: Move[] = [];

  constructor(world: World, looks = false) {
    this.world = world;
    this.looks = looks;
  }

  /** A move by a random client of the node. */
  move(node: string, random: Random): void {
    const [from, to, amount] = [random.pick(NAMES), random.pick(NAMES), 1 + random.int(9)];
    if (from === to || !this.world.isRunning(node)) return;
    const receipt = this.receipt(random);
    const seen = this.looks && random.chance(0.4) ? NAMES.filter((name) => name !== from && name !== to) : [];
    const args = [from, to, amount, receipt, ...seen];
    const isolation = seen.length > 0 ? "serializable" : "snapshot";
    const tx = this.world.clients.get(node)!.call(undefined, "transfer", args, { isolation });
    this.moves.push({ tx, from, to, amount, receipt });
  }

  /** Long keys make pages split, at their end as receipts come in order; shorter ones still fit where a longer one did not. */
  private receipt(random: Random): string {
    const number = this.moves.length;
    if (!this.looks) return `move-${number}`;
    return `move-${String(number).padStart(4, "0")}${"-".repeat(random.int(RECEIPT_BYTES))}`;
  }

  /** Lets everything heal; then every node must write and read again, and what it shows must be what clients heard. What is wrong. */
  endings(): string[] {
    const { world } = this;
    heal(world);
    const wrong: string[] = [];
    for (const node of world.nodes.keys()) {
      const done = until(world, () => put(world, node, { [`mark-${node}`]: 1 }).isCommitted, 8000);
      if (!done) wrong.push(`${node} does not write again`);
      wrong.push(...this.audit(node));
    }
    return [...wrong, ...wrongWith(world)];
  }

  /** Every receipt tells what its client may have heard, and the balances are those that the receipts make (I1, I2, I4, I9). */
  private audit(node: string): string[] {
    const rows = read(this.world, node, [...NAMES, ...this.moves.map((move) => move.receipt)], 3000);
    if (rows === undefined) return [`${node} does not read again`];
    const wrong: string[] = [];
    const balances = new Map(NAMES.map((name) => [name, EACH]));
    for (const { tx, from, to, amount, receipt } of this.moves) {
      const isDone = rows[receipt] === 1;
      if (tx.isCommitted && !isDone) wrong.push(`${node}: ${receipt} was committed and is gone`);
      if (tx.end.kind === "error" && tx.end.error.outcome !== "unknown" && isDone)
        wrong.push(`${node}: ${receipt} was aborted and is there`);
      if (!isDone) continue;
      balances.set(from, balances.get(from)! - amount);
      balances.set(to, balances.get(to)! + amount);
    }
    for (const [name, balance] of balances)
      if (rows[name] !== balance) wrong.push(`${node}: ${name} has ${String(rows[name])}, not ${balance}`);
    return wrong;
  }
}

function heal(world: World): void {
  const all = [...world.nodes.keys(), ...world.segments.keys()];
  for (const a of all) for (const b of all) if (a !== b) world.setHeld(a, b, false);
  for (const name of all) if (!world.isRunning(name)) world.restart(name);
  for (const a of all) for (const b of all) if (a !== b) world.heal(a, b);
  world.tick(1500);
}
