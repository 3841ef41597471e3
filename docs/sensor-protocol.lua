-- A Wireshark dissector for the sensor protocol (docs/sensor-protocol.md).
--
--   wireshark -X lua_script:docs/sensor-protocol.lua capture.pcap
--   tshark    -X lua_script:docs/sensor-protocol.lua -r capture.pcap -V
--
-- Port 7001 is taken for it; for another one: Analyze > Decode As, or -d tcp.port==N,sensor. The display filter is: sensor

local sensor = Proto("sensor", "Socklab Sensor Protocol")

local types = { [1] = "READING", [2] = "ACKNOWLEDGEMENT", [3] = "ERROR", [4] = "COMMAND" }
local time_units = { [0] = "s", [3] = "ms", [6] = "us", [9] = "ns" }
local field_names = { [1] = "Reading", [2] = "Interval", [3] = "Statistics", [4] = "Error" }
local kinds = { "temperature", "humidity", "pressure", "illuminance", "battery", "motion", "pulses", "status" }
local units = { [0] = "none", "Cel", "%RH", "Pa", "lx", "mV", "count" }
local value_types = { "boolean", "signed", "unsigned", "32-bit float", "64-bit float", "text" }
local codes = { "malformed", "version not supported", "type not supported", "value refused",
	"cannot store", "sequence too old" }

local f = sensor.fields
f.magic = ProtoField.uint16("sensor.magic", "Magic", base.HEX)
f.version = ProtoField.uint8("sensor.version", "Version")
f.type = ProtoField.uint8("sensor.type", "Type", base.DEC, types)
f.flags = ProtoField.uint8("sensor.flags", "Flags", base.HEX)
f.resent = ProtoField.bool("sensor.flags.resent", "Resent", 8, nil, 0x01)
f.duplicate = ProtoField.bool("sensor.flags.duplicate", "Duplicate", 8, nil, 0x02)
f.time_unit = ProtoField.uint8("sensor.time_unit", "Time unit", base.DEC, time_units)
f.length = ProtoField.uint16("sensor.length", "Length")
f.device = ProtoField.uint32("sensor.device", "Device")
f.session = ProtoField.uint32("sensor.session", "Session", base.HEX)
f.sequence = ProtoField.uint32("sensor.sequence", "Sequence")
f.timestamp = ProtoField.uint64("sensor.timestamp", "Timestamp")
f.field = ProtoField.uint8("sensor.field", "Field", base.DEC, field_names)
f.field_length = ProtoField.uint8("sensor.field.length", "Length")
f.kind = ProtoField.uint8("sensor.kind", "Kind", base.DEC, kinds)
f.unit = ProtoField.uint8("sensor.unit", "Unit", base.DEC, units)
f.value_type = ProtoField.uint8("sensor.value_type", "Value type", base.DEC, value_types)
f.bool = ProtoField.bool("sensor.value.boolean", "Value")
f.signed = ProtoField.int32("sensor.value.signed", "Value")
f.unsigned = ProtoField.uint32("sensor.value.unsigned", "Value")
f.single = ProtoField.float("sensor.value.float", "Value")
f.double = ProtoField.double("sensor.value.double", "Value")
f.text = ProtoField.string("sensor.value.text", "Value", base.UNICODE)
f.interval = ProtoField.uint32("sensor.interval", "Interval (ms)")
f.count = ProtoField.uint32("sensor.statistics.count", "Count")
f.minimum = ProtoField.double("sensor.statistics.minimum", "Minimum")
f.mean = ProtoField.double("sensor.statistics.mean", "Mean")
f.maximum = ProtoField.double("sensor.statistics.maximum", "Maximum")
f.code = ProtoField.uint8("sensor.error.code", "Code", base.DEC, codes)
f.error_text = ProtoField.string("sensor.error.text", "Text", base.UNICODE)
f.unknown = ProtoField.bytes("sensor.unknown", "Unknown")
f.crc = ProtoField.uint32("sensor.crc", "CRC-32", base.HEX)

local bad_crc = ProtoExpert.new("sensor.crc.bad", "Wrong CRC-32", expert.group.CHECKSUM, expert.severity.ERROR)
local malformed = ProtoExpert.new("sensor.malformed", "Malformed field", expert.group.MALFORMED,
	expert.severity.ERROR)
sensor.experts = { bad_crc, malformed }

local HEADER, CRC, SHORTEST, LONGEST = 28, 4, 32, 1200

-- The table of CRC-32, polynomial 0x04C11DB7 reflected.
local crc_table = {}
for byte = 0, 255 do
	local rest = byte
	for _ = 1, 8 do
		if bit32.band(rest, 1) == 1 then
			rest = bit32.bxor(0xEDB88320, bit32.rshift(rest, 1))
		else
			rest = bit32.rshift(rest, 1)
		end
	end
	crc_table[byte] = rest
end

local function crc32(range)
	local bytes, crc = range:bytes(), 0xFFFFFFFF
	for at = 0, bytes:len() - 1 do
		local index = bit32.band(bit32.bxor(crc, bytes:get_index(at)), 0xFF)
		crc = bit32.bxor(crc_table[index], bit32.rshift(crc, 8))
	end
	return bit32.bxor(crc, 0xFFFFFFFF)
end

-- Each reads one field's value, which is `value`, into `tree`; returns whether it has its form.
local readers = {
	[1] = function(value, tree)
		if value:len() < 3 then return false end
		local of_type, rest = value(2, 1):uint(), value:len() - 3
		tree:add(f.kind, value(0, 1))
		tree:add(f.unit, value(1, 1))
		tree:add(f.value_type, value(2, 1))
		local shapes = { { f.bool, 1 }, { f.signed, 4 }, { f.unsigned, 4 }, { f.single, 4 }, { f.double, 8 } }
		local shape = shapes[of_type]
		if shape then
			if rest ~= shape[2] then return false end
			tree:add(shape[1], value(3, rest))
		elseif rest > 0 then
			tree:add(of_type == 6 and f.text or f.unknown, value(3, rest))
		end
		return true
	end,
	[2] = function(value, tree)
		if value:len() ~= 4 then return false end
		tree:add(f.interval, value())
		return true
	end,
	[3] = function(value, tree)
		if value:len() ~= 29 then return false end
		tree:add(f.kind, value(0, 1))
		tree:add(f.count, value(1, 4))
		tree:add(f.minimum, value(5, 8))
		tree:add(f.mean, value(13, 8))
		tree:add(f.maximum, value(21, 8))
		return true
	end,
	[4] = function(value, tree)
		if value:len() < 1 then return false end
		tree:add(f.code, value(0, 1))
		if value:len() > 1 then tree:add(f.error_text, value(1)) end
		return true
	end,
}

-- All fields between the header and the CRC.
local function dissect_fields(buffer, tree)
	local at, last = HEADER, buffer:len() - CRC
	while at < last do
		if at + 2 > last or at + 2 + buffer(at + 1, 1):uint() > last then
			tree:add_proto_expert_info(malformed)
			return
		end
		local number, length = buffer(at, 1):uint(), buffer(at + 1, 1):uint()
		local branch = tree:add(f.field, buffer(at, 1))
		branch:set_len(2 + length)
		branch:add(f.field_length, buffer(at + 1, 1))
		if length > 0 then
			local value = buffer(at + 2, length):tvb()
			local reader = readers[number]
			if not reader then
				branch:add(f.unknown, value())
			elseif not reader(value, branch) then
				branch:add_proto_expert_info(malformed)
			end
		end
		at = at + 2 + length
	end
end

-- One whole message.
local function dissect_message(buffer, pinfo, root)
	local tree = root:add(sensor, buffer())
	tree:add(f.magic, buffer(0, 2))
	tree:add(f.version, buffer(2, 1))
	tree:add(f.type, buffer(3, 1))
	local flags = tree:add(f.flags, buffer(4, 1))
	flags:add(f.resent, buffer(4, 1))
	flags:add(f.duplicate, buffer(4, 1))
	tree:add(f.time_unit, buffer(5, 1))
	tree:add(f.length, buffer(6, 2))
	tree:add(f.device, buffer(8, 4))
	tree:add(f.session, buffer(12, 4))
	tree:add(f.sequence, buffer(16, 4))
	tree:add(f.timestamp, buffer(20, 8))
	dissect_fields(buffer, tree)
	local crc = buffer(buffer:len() - CRC, CRC)
	local shown = tree:add(f.crc, crc)
	if crc32(buffer(0, buffer:len() - CRC)) ~= crc:uint() then
		shown:add_proto_expert_info(bad_crc)
	end
	local name = types[buffer(3, 1):uint()] or "unknown type"
	pinfo.cols.protocol = "SENSOR"
	pinfo.cols.info:append(string.format("%s device %d seq %d ", name, buffer(8, 4):uint(), buffer(16, 4):uint()))
	return buffer:len()
end

-- Where a message in a stream ends. Zero: the bytes are none.
local function message_length(buffer, _, offset)
	local length = buffer(offset + 6, 2):uint()
	if buffer(offset, 2):uint() ~= 0x534C or length < SHORTEST or length > LONGEST then
		return buffer:len() - offset
	end
	return length
end

local function dissect_checked(buffer, pinfo, root)
	local is_message = buffer:len() >= SHORTEST and buffer(0, 2):uint() == 0x534C
		and buffer(6, 2):uint() == buffer:len()
	if not is_message then return 0 end
	return dissect_message(buffer, pinfo, root)
end

function sensor.dissector(buffer, pinfo, root)
	if pinfo.port_type == 2 then -- TCP
		pinfo.cols.info:clear()
		dissect_tcp_pdus(buffer, root, 8, message_length, dissect_checked)
		return buffer:len()
	end
	pinfo.cols.info:clear()
	return dissect_checked(buffer, pinfo, root)
end

DissectorTable.get("tcp.port"):add(7001, sensor)
DissectorTable.get("udp.port"):add(7001, sensor)
