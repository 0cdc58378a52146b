/**
 * A random life on the scripted world: silence, cuts, crashes of processes and of power, and clients that move money
 * about meanwhile. Safety is checked from the logs' bytes, by a balance, and by the monitor; then everything heals, and must go on.
 */
import { Random, type PlantedBug } from "@sixfold/model";
import { SMALL_PGS, type World } from "../scenario/world.ts";
import { Accounts } from "./accounts.ts";
import { start } from "./play.ts";

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
    Accounts.opening,
  );
  const accounts = new Accounts(world);
  for (let i = 0; i < STEPS; i++) step(world, random, accounts);
  return accounts.endings();
}

function step(world: World, random: Random, accounts: Accounts): void {
  const nodes = [...world.nodes.keys()];
  const segments = [...world.segments.keys()];
  const pick = (names: readonly string[]): string => names[random.int(names.length)]!;
  const dice = random.int(100);
  if (dice < 50) {
    accounts.move(pick(nodes), random);
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
