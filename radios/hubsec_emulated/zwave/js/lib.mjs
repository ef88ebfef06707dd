// Everything that is used of zwave-js and its mocks, in one place. The packages lie in a folder of their own, which
// HUBSEC_ZWAVE_MODULES names: Node looks for a module's packages beside that module only.
import { createRequire } from "node:module";

export const modules = process.env.HUBSEC_ZWAVE_MODULES;
export const require = createRequire(`${modules}/`);

export const {
  BinarySensorCCReport,
  BinarySwitchCCReport,
  CommandClass,
  DoorLockCCOperationReport,
  DoorLockMode,
  ECDHProfiles,
  KEXFailType,
  KEXSchemes,
  MultilevelSwitchCCReport,
  PowerlevelCCSet,
  Security2CC,
  Security2CCKEXFail,
  Security2CCKEXGet,
  Security2CCKEXReport,
  Security2CCKEXSet,
  Security2CCNetworkKeyGet,
  Security2CCNetworkKeyReport,
  Security2CCNetworkKeyVerify,
  Security2CCNonceGet,
  Security2CCNonceReport,
  Security2CCPublicKeyReport,
  Security2CCTransferEnd,
  Security2Command,
  SecurityCC,
  SecurityCCNetworkKeySet,
  SecurityCCNetworkKeyVerify,
  SecurityCCNonceGet,
  SecurityCCNonceReport,
  SecurityCCSchemeGet,
} = require("@zwave-js/cc");
export const { ZWaveProtocolCCNodeInformationFrame, ZWaveProtocolCCRequestNodeInformationFrame } =
  require("@zwave-js/cc/ZWaveProtocolCC");
export const {
  CommandClasses,
  Duration,
  SPANState,
  SecurityClass,
  SecurityManager,
  SecurityManager2,
  computePRK,
  deriveSharedECDHSecret,
  deriveTempKeys,
} = require("@zwave-js/core");
export const { FunctionType, SerialAPIParser, ZWaveSerialFrameType } = require("@zwave-js/serial");
export const { MockPort } = require("@zwave-js/serial/mock");
export const {
  MockController,
  MockNode,
  MockZWaveFrameType,
  createMockZWaveRequestFrame,
  getDefaultSupportedFunctionTypes,
} = require("@zwave-js/testing");
export const { createDefaultMockControllerBehaviors, createDefaultMockNodeBehaviors } =
  require("zwave-js/Testing");
