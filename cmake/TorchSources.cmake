# polymoe_torch_sources(target group files...): adds sources to a target that has a precompiled header of LibTorch. A file
# that includes LibTorch's headers costs 10 to 15 seconds whatever else is in it, so those of a group compile together;
# the others compile on their own, without the precompiled header.
function(polymoe_torch_sources target group)
  target_sources(${target} PRIVATE ${ARGN})
  foreach(source IN LISTS ARGN)
    file(STRINGS ${source} torch_include REGEX "#include \"(polymoe/tensor/torch_headers|unit/nn/gradient_check|unit/comm/values).h\"")
    if(torch_include)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
    else()
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()
