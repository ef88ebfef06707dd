// A device that holds keys obeys nothing that is not encrypted under the highest of them; a lock obeys nothing in
// plain text at all (CC:009F.01.00.11.00B and the role types of Z-Wave Plus).
import { CommandClass, CommandClasses, Security2Command } from "./lib.mjs";

const ALWAYS_OPEN = new Set([
  CommandClasses["No Operation"],
  CommandClasses["Security 2"],
  CommandClasses["Supervision"],
  CommandClasses["Transport Service"],
  CommandClasses["Z-Wave Plus Info"],
  CommandClasses["Z-Wave Protocol"],
  CommandClasses.Security,
]);
const STOP = { action: "stop" };

export const enforcement = (device) => ({
  handleCC(_controller, _node, command) {
    if (!(command instanceof CommandClass)) return STOP;
    if (ALWAYS_OPEN.has(command.ccId) || isEncrypted(command, device)) return undefined;
    return STOP;
  },
});

function isEncrypted(command, device) {
  const highest = device.highest;
  if (highest === undefined) return !(device.kind.secureOnly && command.ccId === device.kind.commandClass);
  if (highest === "S0_Legacy") return command.isEncapsulatedWith(CommandClasses.Security);
  const outer = command.getEncapsulatingCC(CommandClasses["Security 2"], Security2Command.MessageEncapsulation);
  return outer?.securityClass === device.highestClass;
}
