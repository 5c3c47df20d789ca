# polymoe_source_group(target group files...): adds files that compile together, as one file named GROUP. Most of the time
# that a file takes to compile goes to headers (LibTorch's take ten seconds, those of JSON or tests two or three), and the
# files of a folder include much the same ones. Files of a group must not define the same name in unnamed namespaces.
# Those with definitions of their own compile alone.
#
# The file names the others relative to itself, so that clones of the project share what ccache keeps.
function(polymoe_source_group target group)
  set(file "${CMAKE_BINARY_DIR}/groups/${group}.cpp")
  get_filename_component(folder "${file}" DIRECTORY)
  set(content "")
  foreach(source IN LISTS ARGN)
    get_filename_component(path "${source}" ABSOLUTE)
    get_source_file_property(definitions "${path}" COMPILE_DEFINITIONS)
    if(definitions)
      set_source_files_properties("${path}" PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
      target_sources(${target} PRIVATE "${path}")
    else()
      file(RELATIVE_PATH path "${folder}" "${path}")
      string(APPEND content "#include \"${path}\"\n")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT "${file}" CONTENT "${content}" @ONLY)
  target_sources(${target} PRIVATE "${file}")
endfunction()
