/** One hunt at one seed: what noticed the bug, if anything did. The same seed without it must be clean, or it proves nothing. */
import type { PlantedBug } from "@sixfold/model";
import { commandOf, makePlan, simulate } from "@sixfold/simulation";
import { contestedLife } from "../invariants/contested-life.ts";
import { randomLife } from "../invariants/random-life.ts";
import type { Hunt } from "./hunts.ts";

export interface Catch {
  /** Of a cluster, its workloads; of lives, what they do. */
  readonly workload: string;
  /** Kinds of violation, in the order in which they came. */
  readonly by: readonly string[];
}

/** As a user repeats it, but for the seed. */
export function placeOf(hunt: Hunt, bug: PlantedBug): string {
  if (hunt.world === "script") return hunt.test;
  if (hunt.world !== "cluster") return hunt.world;
  const { choices } = hunt;
  return commandOf(makePlan(0, choices), choices)
    .replace("sixfold simulate", "")
    .replace(" --seed 0", "")
    .concat(` --plant ${bug}`)
    .trim();
}

export async function seedCatches(hunt: Hunt, bug: PlantedBug, seed: number): Promise<Catch | undefined> {
  const found = await lived(hunt, seed, [bug]);
  if (found === undefined) return undefined;
  return (await lived(hunt, seed, [])) === undefined ? found : undefined;
}

async function lived(hunt: Hunt, seed: number, planted: readonly PlantedBug[]): Promise<Catch | undefined> {
  // The script is a test by itself: with the bug it finds what it says, and without it nothing.
  if (hunt.world === "script") return planted.length === 0 ? undefined : { workload: "script", by: ["test"] };
  if (hunt.world === "cluster") {
    const plan = makePlan(seed, { ...hunt.choices, planted });
    const { violations } = await simulate(plan);
    const by = [...new Set(violations.map(({ kind }): string => kind))];
    return by.length === 0 ? undefined : { workload: plan.loads.map((l) => l.workload).join(", "), by };
  }
  const by = wrongWith(() => (hunt.world === "random lives" ? randomLife : contestedLife)(seed, planted));
  return by.length === 0 ? undefined : { workload: "transfer", by };
}

/** A broken rule may stop a machine, or the script. */
function wrongWith(life: () => readonly string[]): string[] {
  try {
    return [...new Set(life().map(kindOf))];
  } catch {
    return ["failure"];
  }
}

/** The monitor names a condition and its rule; the other lines are of balances, receipts, and logs. */
function kindOf(line: string): string {
  if (/^[a-z-]+ \(.*\): /.test(line)) return "monitor";
  return line.endsWith(" again") ? "liveness" : "workload";
}
