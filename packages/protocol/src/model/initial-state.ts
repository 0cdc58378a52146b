/** The state before anything happened. */
import type { World } from "./world.ts";

export function initialState(world: World): void {
  world.s.fill(0);
  for (let pg = 0; pg < world.pgCount; pg++)
    for (let i = 0; i < (world.scenario.lost ?? 0); i++) world.setLost(pg, world.width - 1 - i);
  world.canonical();
}
