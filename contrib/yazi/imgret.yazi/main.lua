--- Search photos by words in yazi, and preview the description of a photo. See docs/shell.md.
--- Needs yazi 26 or later, and imgret and imgret-tui on the PATH.

local M = {}

local cwd = ya.sync(function() return tostring(cx.active.current.cwd) end)

local function report(content, level)
	ya.notify { title = "imgret", content = content, timeout = 5, level = level or "error" }
end

--- The paths in the output of a command that ends each with a NUL: a name may contain a line feed.
local function split(output)
	local urls = {}
	for path in output:gmatch("([^%z]+)%z") do
		urls[#urls + 1] = Url(path)
	end
	return urls
end

--- The first photo is shown in its folder; several are selected.
local function choose(urls)
	if #urls > 1 then
		local files = { state = "on" }
		for _, url in ipairs(urls) do
			files[#files + 1] = fs.file(url)
		end
		ya.emit("toggle_all", files)
	end
	ya.emit("reveal", { urls[1], raw = true }) -- last: what is emitted cannot be used afterwards
end

local function finish(program, output, err)
	if not output then
		return report(string.format("%s could not be started: %s", program, err))
	end
	local urls = split(output.stdout)
	if #urls > 0 then
		return choose(urls)
	end
	local code = output.status and output.status.code
	if code == 1 then
		report("no photo was found", "warn")
	elseif code and code ~= 0 and code ~= 130 then
		report(output.stderr ~= "" and output.stderr or string.format("%s exited with %s", program, code))
	end
end

--- plugin imgret: the picker. plugin imgret words: type a query, and the photos that fit are selected.
function M:entry(job)
	if job.args[1] == "words" then
		local query, event = ya.input { title = "Photos:", pos = { "top-center", y = 3, w = 60 } }
		if event ~= 1 or query == "" then
			return
		end
		local output, err =
			Command("imgret"):arg({ "query", "--print0", "--", query }):cwd(cwd()):stdout(Command.PIPED):stderr(Command.PIPED):output()
		return finish("imgret", output, err)
	end
	local permit = ui.hide()
	local child, err = Command("imgret-tui")
		:arg({ "--multi", "--print0" })
		:cwd(cwd())
		:stdin(Command.INHERIT)
		:stdout(Command.PIPED)
		:stderr(Command.INHERIT)
		:spawn()
	local output
	if child then
		output, err = child:wait_with_output()
	end
	permit:drop()
	finish("imgret-tui", output, err)
end

--- The description of the photo under the cursor, as text.
function M:peek(job)
	local path = tostring(job.file.path or job.file.url)
	local output, err = Command("imgret"):arg({ "show", "--", path }):stdout(Command.PIPED):stderr(Command.PIPED):output()
	local text = output and (output.stdout ~= "" and output.stdout or output.stderr)
		or string.format("imgret could not be started: %s", err)
	local lines, number = {}, 0
	for line in text:gmatch("[^\n]*") do
		number = number + 1
		if number > job.skip then
			lines[#lines + 1] = line
		end
	end
	ya.preview_widget(job, ui.Text(table.concat(lines, "\n")):area(job.area):wrap(ui.Wrap.YES))
end

function M:seek(job)
	ya.emit("peek", { math.max(0, cx.active.preview.skip + job.units), only_if = job.file.url })
end

return M
