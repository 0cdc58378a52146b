/**
 * A random life on the scripted world: silence, cuts, crashes of processes and of power, and clients that move money
 * about meanwhile. Safety is checked from the logs' bytes, by a balance, and by the monitor; then everything heals, and must go on.
 */
import { Random, type PlantedBug } from "@sixfold/model";
import type { ScriptTransaction } from "../scenario/script-client.ts";
import { SMALL_PGS, type World } from "../scenario/world.ts";
import { brokenChains, contradictions, History } from "./history.ts";
import { put, read, start, until } from "./play.ts";

const ACCOUNTS = ["alice", "bob", "carol", "dave"];
const TOTAL = 400;
const STEPS = 60;

/** One life. Returns what was found wrong. */
export function randomLife(seed: number, planted: readonly PlantedBug[] = []): string[] {
  const random = new Random(seed);
  const mode = random.chance(0.2) ? "single" : "multi";
  const world = start(
    {
      mode,
      writers: mode === "single" ? 1 : 2 + random.int(2),
      ...(random.chance(0.5) ? { geometry: SMALL_PGS } : {}),
      ...(random.chance(0.3) ? { conflicts: "page" as const } : {}),
      suspectAfterMs: 300,
      planted,
    },
    Object.fromEntries(ACCOUNTS.map((name) => [name, TOTAL / ACCOUNTS.length])),
  );
  return play(world, random);
}

interface Move {
  readonly tx: ScriptTransaction;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  readonly receipt: string;
}

function play(world: World, random: Random): string[] {
  const moves: Move[] = [];
  for (let i = 0; i < STEPS; i++) step(world, random, moves);
  heal(world);
  const wrong: string[] = [];
  for (const node of world.nodes.keys()) {
    const done = until(world, () => put(world, node, { [`mark-${node}`]: 1 }).isCommitted, 8000);
    if (!done) wrong.push(`${node} does not write again`);
    wrong.push(...audit(world, node, moves));
  }
  const history = new History(world);
  return [...wrong, ...brokenChains(history), ...contradictions(history), ...world.violations()];
}

/** Every receipt tells what its client may have heard, and the balances are those that the receipts make (I1, I2, I4, I9). */
function audit(world: World, node: string, moves: readonly Move[]): string[] {
  const rows = read(world, node, [...ACCOUNTS, ...moves.map((move) => move.receipt)], 3000);
  if (rows === undefined) return [`${node} does not read again`];
  const wrong: string[] = [];
  const balances = new Map(ACCOUNTS.map((name) => [name, TOTAL / ACCOUNTS.length]));
  for (const { tx, from, to, amount, receipt } of moves) {
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

function step(world: World, random: Random, moves: Move[]): void {
  const nodes = [...world.nodes.keys()];
  const segments = [...world.segments.keys()];
  const pick = (names: readonly string[]): string => names[random.int(names.length)]!;
  const dice = random.int(100);
  if (dice < 50) {
    const node = pick(nodes);
    const [from, to, amount, receipt] = [
      pick(ACCOUNTS),
      pick(ACCOUNTS),
      1 + random.int(9),
      `move-${moves.length}`,
    ];
    if (from === to || !world.isRunning(node)) return;
    const tx = world.clients.get(node)!.call(undefined, "transfer", [from, to, amount, receipt]);
    moves.push({ tx, from, to, amount, receipt });
  } else if (dice < 80) {
    const [from, to] = [pick([...nodes, ...segments]), pick([...nodes, ...segments])];
    if (from === to) return;
    if (dice < 70) world.setHeld(from, to, random.chance(0.5));
    else if (dice < 74) world.cut(from, to);
    else world.heal(from, to);
  } else if (dice < 84) crashOrRestart(world, pick(segments), segments, random);
  else if (dice < 87) crashOrRestart(world, pick(nodes), nodes, random);
  if (random.chance(0.7)) world.run();
  if (random.chance(0.3)) world.tick(10 * (1 + random.int(random.chance(0.2) ? 60 : 6)));
}

/** At most two of a kind are down at once. */
function crashOrRestart(world: World, name: string, kind: readonly string[], random: Random): void {
  if (!world.isRunning(name)) world.restart(name);
  else if (kind.filter((other) => !world.isRunning(other)).length < 2) {
    world.clients.get(name)?.forget();
    world.crash(name, random.chance(0.5) ? { tear: random.chance(0.5) } : undefined);
  }
}

function heal(world: World): void {
  const all = [...world.nodes.keys(), ...world.segments.keys()];
  for (const a of all) for (const b of all) if (a !== b) world.setHeld(a, b, false);
  for (const name of all) if (!world.isRunning(name)) world.restart(name);
  for (const a of all) for (const b of all) if (a !== b) world.heal(a, b);
  world.tick(1500);
}
